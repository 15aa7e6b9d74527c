"""Check that a worker has the same version of facebeam as the machine that built the pipeline."""

from importlib.metadata import version

from facebeam.schemas.errors import RunError


def installed_version() -> str:
    """Give the version of facebeam that is installed here."""
    return version("facebeam")


def check_same_version(built_by: str) -> None:
    """Compare the version here with that of the pipeline; raises RunError with both if they differ."""
    here = installed_version()
    if here != built_by:
        raise RunError(
            f"this worker has facebeam {here}, but facebeam {built_by} submitted the run: "
            "install the same version in the workers' image or pool"
        )
