"""A worker must run the facebeam that the pipeline was built by: another one would read its steps wrongly."""

from importlib.metadata import version

from facebeam.schemas.errors import RunError


def installed_version() -> str:
    """Give the version of facebeam in this environment."""
    return version("facebeam")


def check_same_version(built_by: str) -> None:
    """Compare; raises RunError that names both versions."""
    here = installed_version()
    if here != built_by:
        raise RunError(
            f"this worker has facebeam {here}, but the run was submitted by {built_by}: "
            "install the same version in the workers' image or pool"
        )
