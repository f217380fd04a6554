"""Names in the rules that administrators send: those that nobody has declared are told to them, or
refused.
"""

from indexes.model import Readers
from service.runtime import Runtime


def unknown_names(runtime: Runtime, readers: Readers) -> tuple[str, ...]:
    """What to tell of them. Blocking.

    Raises UnknownPrincipal for a deny of one, or for any if settings say so.
    """
    refuse = runtime.settings.unknown_principals == "refuse"
    return tuple(str(each) for each in runtime.catalog.people.check_rule(readers, refuse=refuse))
