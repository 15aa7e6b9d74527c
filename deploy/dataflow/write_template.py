"""Write flex_template.json from the flags of a run: `python -m deploy.dataflow.write_template`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Final

from facebeam.runners.flags import option_types as types
from facebeam.runners.flags import request_headers
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.runners.flags.flag import Flag, flags_of
from facebeam.runners.flags.options import RunOptions

FILE: Final = Path(__file__).with_name("flex_template.json")
FROM_THE_LAUNCHER: Final = frozenset(
    {"runner", "project", "region", "temp_location", "service_account_email", "max_num_workers"}
)
NOT_IN_A_TEMPLATE: Final = frozenset(
    {
        *("flink_master", "flink_job_server_jar", "parallelism"),  # for another engine
        *("job_endpoint", "worker_pool", "prism_location"),  # for other engines
        *("quiet", "log_format", "detach"),  # launch.py sets them
        "max_wait",  # the launcher does not wait
        "umask",  # files in a bucket have no such rights
        "dataflow_endpoint",  # the launcher has already reached the service
        "shared_filesystem",  # Dataflow's workers share no file system
        "ca_file",  # the launcher cannot see the user's files
        "token_file",  # the token comes from Secret Manager
        "trust_proxies",  # workers have no proxy variables
    }
)
_HEAD: Final = """\
{
  "image": "REGION-docker.pkg.dev/PROJECT/REPOSITORY/facebeam-launcher:VERSION",
  "sdkInfo": {"language": "PYTHON"},
  "metadata": {
    "name": "facebeam",
    "description": "A manifest of image URLs in, Parquet tables of facial landmarks out.",
    "parameters": [
"""
_TAIL: Final = """
    ]
  }
}
"""
_REQUIRED: Final = frozenset({"manifest", "output", "image"})
_RULES: Final[Mapping[Callable[[str], object], str]] = {
    types.count: "^[0-9]+$",
    types.connections: "^[0-9]+$",
    types.shards: "^[0-9]+$",
    types.models: "^([0-9]+|auto)$",
    types.window: "^([0-9]+|auto)$",
    types.duration_s: "^[0-9]+[smhd]$",
    types.time_of_day: "^[0-9]{2}:[0-9]{2}$",
    types.share: "^[0-9.]+$",
    types.credit: "^[0-9.]+$",
    types.rate: "^([0-9.]+|unlimited)$",
    types.base_url: "^https?://.+$",
    types.path: "^gs://.+$",
    types.full_path: "^gs://.+$",
    request_headers.user_agent: "^[ -~]+$",
    request_headers.header: "^[^:]+:.+$",
}
"""Type of a flag -> the pattern that Google's console checks before a launch; facebeam checks the rest."""


def template() -> str:
    """Render the template, with one parameter per line."""
    left_out = FROM_THE_LAUNCHER | NOT_IN_A_TEMPLATE
    flags = {name: flag for name, flag in flags_of(RunOptions).items() if name not in left_out}
    parameters = ",\n".join(f"      {json.dumps(_parameter(name, flag))}" for name, flag in flags.items())
    return f"{_HEAD}{parameters}{_TAIL}"


def _parameter(name: str, flag: Flag) -> Mapping[str, object]:
    """Describe a flag as Dataflow's ParameterMetadata."""
    words = name.replace("_", " ").capitalize()
    parameter: dict[str, object] = {"name": name, "label": words, "helpText": _help(name, flag)}
    if name not in _REQUIRED:
        parameter["isOptional"] = True
    if flag.parse is None:
        return {**parameter, "paramType": "BOOLEAN"}
    if flag.choices is not None:
        options = [{"value": str(choice)} for choice in flag.choices]
        return {**parameter, "paramType": "ENUM", "enumOptions": options}
    return {**parameter, "regexes": [_RULES[flag.parse]]} if flag.parse in _RULES else parameter


def _help(name: str, flag: Flag) -> str:
    """Give the flag's help, followed by its default if there is one."""
    defaults = {field.name: field.default for kind in (RunOptions, ClusterOptions) for field in fields(kind)}
    value = defaults[name]
    default = flag.default_is or ("" if value in (None, (), MISSING) or value is False else str(value))
    text = f"{flag.help[0].upper()}{flag.help[1:]}."
    return f"{text} Default: {default}." if default else text


if __name__ == "__main__":
    FILE.write_text(template())
