"""What changed for one person: read from the record of changes, for operators."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from indexes.catalog.audit.books import Record
from indexes.model import PUBLIC

Effect = Literal["gained", "lost", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChange:
    """One change that touched a person."""

    at: str  # ISO 8601
    by: str
    what: str
    subject: str
    effect: Effect  # of documents: whether it came within the person's reach or left it
    documents: tuple[str, ...] = ()  # public ids
    detail: Mapping[str, Any]


def changes_for(
    user: str, identities: Collection[str], records: Iterator[Record]
) -> Iterator[AccessChange]:
    """Those of the records that touched this user, in their order.

    identities: names of the user and of all groups that it is in today. What a rule meant for it at
    the time is decided with these, so a document that it lost by leaving a group shows as the
    change of the group.
    """
    mine = frozenset({user, PUBLIC, *identities})
    for record in records:
        for change in record.body.get("changes", ()):
            touched = _effect_on(mine, user, change)
            if touched is not None:
                yield AccessChange(
                    at=record.body["at"],
                    by=record.body["by"],
                    what=change["what"],
                    subject=change["subject"],
                    effect=touched,
                    documents=_documents_of(change),
                    detail={key: change[key] for key in ("before", "after") if key in change},
                )


def _effect_on(mine: frozenset[str], user: str, change: Mapping[str, Any]) -> Effect | None:
    before, after = change.get("before") or {}, change.get("after") or {}
    if change["what"].startswith("document."):
        had, has = _allows(before, mine), _allows(after, mine)
        if had == has:
            return None
        return "gained" if has else "lost"
    named = {change["subject"], *(each.get("member") for each in (before, after))}
    named |= {each.get("user") for each in (before, after)}
    if user in named:
        return "changed"
    is_group = change["what"].startswith("group.") and change["subject"] in mine
    return "changed" if is_group else None


def _allows(rule: Mapping[str, Any], mine: frozenset[str]) -> bool:
    return not mine.isdisjoint(rule.get("allow", ())) and mine.isdisjoint(rule.get("deny", ()))


def _documents_of(change: Mapping[str, Any]) -> tuple[str, ...]:
    if not change["what"].startswith("document."):
        return ()
    return tuple((change.get("after") or {}).get("documents", (change["subject"],)))
