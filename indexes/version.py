"""Which version of Clearance this is."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """As the distribution says."""
    try:
        return version("clearance")
    except PackageNotFoundError:
        return "not installed"
