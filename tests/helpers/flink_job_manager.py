"""A scripted JobManager of Flink: the answers of its REST interface, without a cluster."""

import json
from collections.abc import Mapping

from tests.helpers.scripted_server import Exchange, Script, ScriptedServer

ELSEWHERE = "pekko.tcp://flink@10.0.0.7:6122/user/rpc/taskmanager_0"
HERE = "pekko.tcp://flink@127.0.0.1:6122/user/rpc/taskmanager_0"


def tells(answer: object, status: str = "200 OK") -> Script:
    """Answer every request with this value as JSON."""

    def script(exchange: Exchange) -> None:
        exchange.answer(json.dumps(answer).encode(), status)

    return script


def job_manager(
    version: str = "1.20.5",
    free_slots: int = 2,
    task_manager: str = ELSEWHERE,
    jobs: Mapping[str, Script] | None = None,
) -> ScriptedServer:
    """Script a JobManager's answers before a run; `jobs` adds or replaces answers by path."""
    return ScriptedServer(
        {
            "/v1/config": tells({"flink-version": version}),
            "/v1/overview": tells({"slots-total": 2, "slots-available": free_slots, "taskmanagers": 1}),
            "/v1/taskmanagers": tells({"taskmanagers": [{"path": task_manager}]}),
            "/v1/jobs/overview": tells({"jobs": []}),
            **(jobs or {}),
        }
    )
