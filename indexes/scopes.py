"""What a key or a person may do besides reading. No scope gives a right to read a document."""

from collections.abc import Collection

ASK = "ask"  # ask questions and open what may be read; what that is, the catalog decides
INGEST = "ingest"  # bring documents in and take them away
PEOPLE = "people"  # users, groups and keys
OPERATE = "operate"  # indexes, templates, models, metrics
AUDIT = "audit"  # read who did what
ADMIN = "admin"  # all of these but `ask`
ACT_AS = "act-as"  # ask as another user, with the rights of that one user
SCOPES = frozenset({ASK, INGEST, PEOPLE, OPERATE, AUDIT, ADMIN, ACT_AS})
OF_PEOPLE = SCOPES - {ASK, ACT_AS}
"""Those that are given to a person: everybody who signs in may ask, and nobody signs in to be
another.
"""


def includes(held: Collection[str], needed: str) -> bool:
    """Whether somebody who holds these scopes may do what needs that one."""
    return needed in held or (ADMIN in held and needed in OF_PEOPLE)
