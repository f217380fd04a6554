"""What a transaction changes, recorded in that very transaction: both are there, or neither."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from indexes.catalog.audit.chain import CHANGES, Entry, extend, find_head
from indexes.model import Actor, Readers

RECORDED = "clearance_recorded"  # among the execution options of each transaction that writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that was changed. No text, title or path of a document has a place in it."""

    what: str  # such as "user.added"
    subject: str  # a principal, or the id of what it is about
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"what": self.what, "subject": self.subject}
        told |= {} if self.before is None else {"before": dict(self.before)}
        return told | ({} if self.after is None else {"after": dict(self.after)})


def record_change(
    connection: Connection,
    what: str,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Written when the transaction ends, with all that it recorded.

    Raises LookupError in a transaction that only reads.
    """
    recorded: list[Change] = connection.get_execution_options()[RECORDED]
    recorded.append(Change(what=what, subject=subject, before=before, after=after))


def write_changes(connection: Connection, by: Actor, recorded: list[Change]) -> None:
    """At the end of a transaction: what was recorded in it, as one record."""
    if recorded:
        body = {"kind": "change", "by": by.name, "changes": [each.as_json() for each in recorded]}
        extend(connection, find_head(connection, CHANGES), [Entry(body=body)])


def readers_as_json(readers: Readers) -> dict[str, list[str]]:
    """As records tell a rule."""
    return {"allow": sorted(readers.allow), "deny": sorted(readers.deny)}
