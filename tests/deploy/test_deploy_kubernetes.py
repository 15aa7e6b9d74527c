"""deploy/kubernetes: names, labels, ports and sizes agree, and no other pod can reach the worker pool."""

import re
from typing import Any

import pytest
from apache_beam.options.pipeline_options import FlinkRunnerOptions

from facebeam.transforms.steps.same_version import installed_version
from tests.helpers.deploy_files import containers, job_command, kubernetes, text

Manifest = dict[str, Any]
PORTS = {
    "jobmanager": {"rpc": "jobmanager.rpc.port", "blob": "blob.server.port", "rest": "rest.port"},
    "taskmanager": {"data": "taskmanager.data.port", "rpc": "taskmanager.rpc.port"},
}
"""Role -> name of the pod's port -> Flink's option for this port."""


@pytest.fixture(scope="module")
def session() -> dict[str, Manifest]:
    """Read the objects of the Flink session: `<kind>/<name>` -> object."""
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in kubernetes("flink-session.yaml")}


@pytest.fixture(scope="module")
def flink(session: dict[str, Manifest]) -> dict[str, str]:
    """Read Flink's options."""
    properties = session["ConfigMap/facebeam-flink"]["data"]["FLINK_PROPERTIES"]
    return dict(re.findall(r"^(\S+): (.+)$", properties, re.MULTILINE))


def with_pods(session: dict[str, Manifest]) -> list[Manifest]:
    """List all objects that start pods: the Deployments and the Job."""
    return [
        one
        for one in (*session.values(), *kubernetes("annotate-job.yaml"))
        if "template" in one.get("spec", {})
    ]


def labels(manifest: Manifest) -> dict[str, str]:
    """Give the labels of an object's pods."""
    found: dict[str, str] = manifest["spec"]["template"]["metadata"]["labels"]
    return found


def ports(manifest: Manifest) -> dict[str, int]:
    """Give the ports of an object's pods: name -> number."""
    listed = (port for container in containers(manifest) for port in container.get("ports", ()))
    return {port["name"]: port["containerPort"] for port in listed}


def test_selectors_find_pods(session: dict[str, Manifest]) -> None:
    """Each Deployment, Service and NetworkPolicy selects pods of an object in these files."""
    pods = [labels(one) for one in with_pods(session)]
    assert len(pods) == 3
    for one in session.values():
        match one:
            case {"kind": "Deployment", "spec": spec}:
                assert spec["selector"]["matchLabels"] == labels(one)
            case {"kind": "Service", "spec": spec}:
                assert spec["selector"] in pods
            case {"kind": "NetworkPolicy", "spec": spec}:
                callers = [peer["podSelector"] for rule in spec["ingress"] for peer in rule["from"]]
                assert all(selector["matchLabels"] in pods for selector in (spec["podSelector"], *callers))


@pytest.mark.parametrize("role", PORTS)
def test_flink_and_its_pods_agree(role: str, session: dict[str, Manifest], flink: dict[str, str]) -> None:
    """The pods have the ports and the memory of Flink's options, and run a Flink that Beam supports."""
    deployment = session[f"Deployment/facebeam-{role}"]
    found = ports(deployment)
    assert {name: int(flink[option]) for name, option in PORTS[role].items()}.items() <= found.items()
    container = containers(deployment)[0]
    assert container["args"] == [role]
    assert container["resources"]["limits"]["memory"] == f"{flink[f'{role}.memory.process.size'][:-1]}Mi"
    assert (
        container["image"].removeprefix("flink:").split("-")[0] in FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
    )


def test_task_managers_and_the_job_find_the_job_manager(
    session: dict[str, Manifest], flink: dict[str, str]
) -> None:
    """TaskManagers and the Job use the name of the JobManager's service, whose ports are its pods' ports."""
    service = session[f"Service/{flink['jobmanager.rpc.address']}"]["spec"]
    assert {port["name"]: port["port"] for port in service["ports"]} == ports(
        session["Deployment/facebeam-jobmanager"]
    )
    assert f"--flink-master={flink['jobmanager.rpc.address']}:{flink['rest.port']}" in job_command()


def test_no_other_pod_reaches_the_worker_pool(session: dict[str, Manifest]) -> None:
    """The policy opens all ports of the TaskManagers' pods except the pool's, which the Job calls local."""
    deployment = session["Deployment/facebeam-taskmanager"]
    policy = session["NetworkPolicy/facebeam-taskmanager"]["spec"]
    let_in = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    shut = {name: port for name, port in ports(deployment).items() if port not in let_in}
    assert shut == {"pool": 50000}
    assert policy["podSelector"]["matchLabels"] == labels(deployment)
    assert f"--worker-pool=localhost:{shut['pool']}" in job_command()


def test_the_token_is_in_the_worker_pool_alone(session: dict[str, Manifest]) -> None:
    """Only the worker pool's container has the token, from a Secret that is not in these files."""
    tokens = [
        (container["name"], variable["valueFrom"])
        for one in with_pods(session)
        for container in containers(one)
        for variable in container.get("env", ())
        if variable["name"] == "ACEDATACLOUD_API_TOKEN"
    ]
    ((holder, place),) = tokens
    assert holder == "worker-pool"
    assert place.keys() == {"secretKeyRef"}
    assert not [name for name in session if name.startswith("Secret/")]


def test_our_containers_are_this_version_and_write_only_to_their_folder(session: dict[str, Manifest]) -> None:
    """Our containers have this version's image, do not run as root, and write only to their own folder.

    Their working folder and HOME are on the one volume that they can write to.
    """
    ours = [
        container
        for one in with_pods(session)
        for container in containers(one)
        if "facebeam:" in container["image"]
    ]
    assert [container["name"] for container in ours] == ["worker-pool", "annotate"]
    for container in ours:
        assert container["image"].endswith(f"/facebeam:{installed_version()}")
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == [container["workingDir"]]
        assert {"name": "HOME", "value": container["workingDir"]} in container["env"]
    assert all(
        one["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] for one in with_pods(session)
    )


def test_our_containers_run_as_the_user_of_the_image(session: dict[str, Manifest]) -> None:
    """Our containers run as the user whom the Dockerfile adds: Beam's boot program crashes as another one."""
    (added,) = re.findall(r"^RUN useradd --uid (\d+) ", text("Dockerfile"), re.MULTILINE)
    users = [
        (one["spec"]["template"]["spec"]["securityContext"] | container["securityContext"])["runAsUser"]
        for one in with_pods(session)
        for container in containers(one)
        if "facebeam:" in container["image"]
    ]
    assert users == [int(added), int(added)]


def test_the_job_is_valid_for_kubernetes_1_27() -> None:
    """Every rule has both lists: 1.27, the first version with the label of the run id, requires both."""
    (job,) = kubernetes("annotate-job.yaml")
    (run_id,) = (one for one in containers(job)[0]["env"] if one["name"] == "RUN_ID")
    assert "batch.kubernetes.io/job-name" in run_id["valueFrom"]["fieldRef"]["fieldPath"]
    rules = job["spec"]["podFailurePolicy"]["rules"]
    assert all(rule.keys() >= {"onExitCodes", "onPodConditions"} for rule in rules)
