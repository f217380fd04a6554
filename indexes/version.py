"""Which version of Clearance this is."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "clearance"


def installed_version() -> str:
    """As the distribution says."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"
