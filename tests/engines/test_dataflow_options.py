"""The options of `--runner dataflow`: what it accepts, what it refuses, and which flags Beam gets."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from facebeam.runners.clusters.dataflow_flags import check_names, dataflow_flags
from facebeam.runners.flags.beam_flags import check_beam_flags
from facebeam.runners.flags.cluster_options import ClusterOptions
from facebeam.schemas.errors import RunError
from tests.helpers.console import facebeam

IMAGE = "europe-west1-docker.pkg.dev/a-project/images/facebeam:0.1.0"
PLACE = {"project": "a-project", "region": "europe-west1", "temp_location": "gs://bucket/tmp", "image": IMAGE}


def options(**changes: object) -> ClusterOptions:
    """Give the options of a valid place to run, with these changes."""
    return ClusterOptions(runner="dataflow", **{**PLACE, **changes})  # type: ignore[arg-type]  # each test gives its own


SAME = [
    "--runner=DataflowRunner",
    "--job_name=facebeam-one-1a2b3c",
    "--labels=facebeam-run=facebeam-one-1a2b3c",
    "--project=a-project",
    "--region=europe-west1",
    "--temp_location=gs://bucket/tmp/temp",
    "--staging_location=gs://bucket/tmp/staging",
    f"--sdk_container_image={IMAGE}",
    "--sdk_location=container",
    "--experiments=no_use_multiple_sdk_containers",
    "--experiments=disable_logging_submission_environment",
]
GOLDEN = [
    (
        options(),
        False,
        [
            "--autoscaling_algorithm=THROUGHPUT_BASED",
            "--number_of_worker_harness_threads=2",
            "--resource_hint=min_ram=2GB",
        ],
    ),
    (options(), True, ["--autoscaling_algorithm=NONE", "--num_workers=1"]),
    (
        options(max_num_workers=7, service_account_email="a@b.iam.gserviceaccount.com"),
        False,
        [
            "--autoscaling_algorithm=THROUGHPUT_BASED",
            "--number_of_worker_harness_threads=2",
            "--max_num_workers=7",
            "--resource_hint=min_ram=2GB",
            "--service_account_email=a@b.iam.gserviceaccount.com",
        ],
    ),
    (
        options(max_num_workers=7, dataflow_endpoint="https://dataflow.example.com"),
        True,
        [
            "--autoscaling_algorithm=NONE",
            "--num_workers=7",
            "--dataflow_endpoint=https://dataflow.example.com",
        ],
    ),
    (
        options(dataflow_endpoint="http://localhost:1"),
        True,
        [
            "--autoscaling_algorithm=NONE",
            "--num_workers=1",
            "--dataflow_endpoint=http://localhost:1",
            "--no_auth",
        ],
    ),
]


@pytest.mark.parametrize(("chosen", "paced", "more"), GOLDEN)
def test_what_beam_is_told(chosen: ClusterOptions, more: list[str], *, paced: bool) -> None:
    """Beam gets exactly these flags, and it knows all of them."""
    flags = dataflow_flags(chosen, "facebeam-one-1a2b3c", paced=paced)
    assert flags == SAME + more
    known = check_beam_flags(flags, "dataflow").get_all_options()
    assert known["experiments"] == [
        "no_use_multiple_sdk_containers",
        "disable_logging_submission_environment",
    ]


def test_flexible_workers_get_no_hint() -> None:
    """With --flexrs_goal the job has no resource hint, because FlexRS does not support them."""
    flags = dataflow_flags(options(), "a", paced=False, own_flags=["--flexrs_goal=COST_OPTIMIZED"])
    assert not [flag for flag in flags if flag.startswith("--resource_hint")]


BAD = [
    ("project", "123456", "'123456' is not a project's id"),
    ("project", "My Project", "'My Project' is not a project's id"),
    ("region", "europe-west1-b", "'europe-west1-b' is not a region such as europe-west1"),
    ("region", "EU", "'EU' is not a region such as europe-west1"),
    ("image", "facebeam", "'facebeam' is not an image with registry, name and tag or digest"),
    ("image", "gcr.io/p/facebeam", "is not an image with registry, name and tag or digest"),
    ("image", "https://gcr.io/p/facebeam:1", "is not an image with registry, name and tag or digest"),
]


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_names_that_cannot_be_are_refused(name: str, value: str, said: str) -> None:
    """`check_names` refuses an invalid name; the error has the flag, its value and the rule."""
    with pytest.raises(RunError, match=f"^--{name} ") as caught:
        check_names(options(**{name: value}))
    assert said in str(caught.value)


GOOD = [
    ("project", "example.com:a-project"),
    ("region", "northamerica-northeast2"),
    ("region", "me-central2"),
    ("image", "gcr.io/p/facebeam:latest"),
    ("image", f"localhost:5000/facebeam@sha256:{'a' * 64}"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_names_that_can_be_are_taken(name: str, value: str) -> None:
    """`check_names` accepts a valid name."""
    check_names(options(**{name: value}))


def annotate(
    *, without: str = "", manifest: str = "gs://bucket/urls.txt", output: str = "gs://bucket/out"
) -> tuple[int, str]:
    """Run `facebeam annotate --runner dataflow`, maybe without a flag; give exit code and stderr."""
    place = {f"--{name.replace('_', '-')}": value for name, value in PLACE.items()}
    chosen = [text for flag, value in place.items() if flag != without for text in (flag, value)]
    where = ("--manifest", manifest, "--output", output)
    finished = facebeam("annotate", "--runner", "dataflow", *where, *chosen)
    return finished.returncode, finished.stderr


@pytest.mark.parametrize("flag", ["--project", "--region", "--temp-location", "--image"])
def test_a_flag_that_is_missing_is_named(flag: str) -> None:
    """A run without a required flag exits with 2 and names the flag."""
    code, said = annotate(without=flag)
    assert code == 2
    assert f"--runner dataflow needs {flag}" in said


def test_a_path_of_this_machine_is_refused(tmp_path: Path) -> None:
    """A run with local paths exits with 2, names flag, path and reason, and writes nothing there."""
    code, said = annotate(manifest=str(tmp_path / "urls.txt"), output=str(tmp_path / "out"))
    assert code == 2
    assert f"--manifest {tmp_path}/urls.txt is on this machine, where workers cannot read it" in said
    assert not (tmp_path / "out").exists()


def test_temporary_files_go_to_a_bucket() -> None:
    """A run exits with 2 if --temp-location is a local folder, which Dataflow cannot read."""
    finished = facebeam("annotate", "--runner", "dataflow", "--temp-location", "/tmp/x")  # noqa: S108 - refused
    assert finished.returncode == 2
    assert "'/tmp/x' is not a folder such as gs://bucket/temp" in finished.stderr


def test_libraries_that_are_not_installed_are_named() -> None:
    """A run without Google's libraries exits with 2 and shows the command that installs them."""
    if find_spec("google.cloud") and find_spec("google.cloud.dataflow"):
        pytest.skip("Google's libraries are installed here")
    code, said = annotate()
    assert code == 2
    assert "pip install 'facebeam[gcp]'" in said
