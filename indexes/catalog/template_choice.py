"""Which version of which template answers whom.

A template that somebody may not use does not exist for them. Both gates of `access` decide about
it: the first about which activation counts, the second inside the statement that reads the text.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, case, func, or_, select

from indexes.catalog.access import (
    IDENTITIES,
    NO_SET,
    asker_parameters,
    may_read,
    may_read_set,
    readable_sets,
)
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import template_activations, template_versions, templates
from indexes.model import Principal

log = logging.getLogger(__name__)

BY_NAME = "name"
DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateText:
    """What one version of a template says. Whether it makes sense is the service's business."""

    variables: tuple[str, ...]
    system: str
    user: str
    no_answer: str
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersion:
    """One version, for ever the same."""

    name: str
    version: int
    style: str
    language: str
    text: TemplateText
    saved_by: str
    saved_at: datetime

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is active for somebody, with the candidate that a share of the people get instead."""

    version: TemplateVersion
    candidate: TemplateVersion | None
    share: float


_active = template_activations
VERSIONS = select(
    template_versions, templates.c.name, templates.c.style, templates.c.language
).join(templates, templates.c.id == template_versions.c.template_id)
_READABLE_TEXT = VERSIONS.where(
    template_versions.c.id == bindparam("version_id"), may_read(templates.c.reader_set_id)
)
"""The only statement that gives a template's text to who asks questions; it joins the readers."""

_candidate_version = template_versions.alias("candidate_version")
_candidate = templates.alias("candidate")
_ACTIVE = (
    select(
        _active.c.version_id,
        _active.c.candidate_id,
        _active.c.share,
        templates.c.reader_set_id,
        _candidate.c.reader_set_id.label("candidate_reader_set_id"),
    )
    .join(template_versions, template_versions.c.id == _active.c.version_id)
    .join(templates, templates.c.id == template_versions.c.template_id)
    .outerjoin(_candidate_version, _candidate_version.c.id == _active.c.candidate_id)
    .outerjoin(_candidate, _candidate.c.id == _candidate_version.c.template_id)
    .where(_active.c.withdrawn_at.is_(None), templates.c.style == bindparam("style"))
)
_BY_NAME = _ACTIVE.where(
    _active.c.audience == BY_NAME, templates.c.name == bindparam("name")
).order_by(_active.c.id.desc())
_ACTIVE_FIELDS = tuple(_ACTIVE.selected_columns.keys())
_BY_ASKER = Prepared(  # every question asks it
    _ACTIVE.where(
        templates.c.language == bindparam("language"),
        or_(
            _active.c.audience == DEFAULT,
            and_(_active.c.audience.in_(("user", "group")), _active.c.principal_id.in_(IDENTITIES)),
        ),
    ).order_by(
        case((_active.c.audience == "user", 0), (_active.c.audience == "group", 1), else_=2),
        _active.c.id.desc(),
    )
)
"""User before group before default; of several groups the one activated last.

Older ones hold for whoever may not use the newer: to them the newer was never activated.
"""

_SET_OF_NAME = Prepared(
    select(func.coalesce(func.max(templates.c.reader_set_id), NO_SET)).where(
        templates.c.name == bindparam("name"), templates.c.style == bindparam("style")
    )
)
"""Who may use the template of a name: always one row, so that a name takes as long whether it is
hidden or absent.
"""

_PINNED = (
    select(template_versions.c.id)
    .join(templates, templates.c.id == template_versions.c.template_id)
    .where(
        templates.c.name == bindparam("name"),
        template_versions.c.version == bindparam("version"),
        templates.c.style == bindparam("style"),
    )
)


def choose_for_asker(
    connection: Connection, principal: Principal, style: str, language: str
) -> Chosen | None:
    """What is active for this asker among the templates that they may use. If None, nothing is."""
    given = {**asker_parameters(principal), "style": style, "language": language}
    found = _BY_ASKER.rows(connection, given)
    rows = [dict(zip(_ACTIVE_FIELDS, row, strict=True)) for row in found]
    return _choose_first_usable(connection, principal, rows)


def choose_by_name(
    connection: Connection, principal: Principal, name: str, style: str
) -> Chosen | None:
    """What is active under a name. If None, nothing is, or not for this asker."""
    wanted = {"name": name, "style": style}
    if not _may_use(connection, principal, wanted):
        return None
    found = connection.execute(_BY_NAME, wanted).mappings().all()
    return _choose_first_usable(connection, principal, found)


def find_version(
    connection: Connection, principal: Principal, name: str, version: int, style: str
) -> TemplateVersion | None:
    """One version, active or not. If None, there is none, or not for this asker."""
    wanted = {"name": name, "style": style}
    if not _may_use(connection, principal, wanted):
        return None
    found = connection.scalar(_PINNED, {**wanted, "version": version})
    return None if found is None else _read_version(connection, principal, found)


def version_of(row: RowMapping) -> TemplateVersion:
    """The version that stands in a row, with the columns of its template."""
    shown = {
        key: row[key] for key in ("name", "version", "style", "language", "saved_by", "saved_at")
    }
    return TemplateVersion(**shown, text=text_of(row["text"]))


def text_of(stored: Mapping[str, Any]) -> TemplateText:
    """A stored text as a value."""
    lists = {key: tuple(stored[key]) for key in ("variables", "stop")}
    return TemplateText(
        system=stored["system"], user=stored["user"], no_answer=stored["no_answer"], **lists
    )


def _choose_first_usable(
    connection: Connection, principal: Principal, rows: Sequence[Mapping[Any, Any]]
) -> Chosen | None:
    """The first of these activations whose template the asker may use, without its candidate if
    that is forbidden.
    """
    sets = {row[of] for row in rows for of in ("reader_set_id", "candidate_reader_set_id")} - {None}
    allowed = set(readable_sets(connection, principal, sets)) if sets else set()
    for row in rows:
        version = (
            _read_version(connection, principal, row["version_id"])
            if row["reader_set_id"] in allowed
            else None
        )
        if version is not None:
            tried = row["candidate_reader_set_id"] in allowed
            candidate = _read_version(connection, principal, row["candidate_id"]) if tried else None
            return Chosen(version=version, candidate=candidate, share=row["share"])
    return None


def _may_use(connection: Connection, principal: Principal, wanted: Mapping[str, str]) -> bool:
    """Decided before anything else is read, in the same two steps for what is hidden and what is
    absent.
    """
    ((reader_set,),) = _SET_OF_NAME.rows(connection, wanted)
    return may_read_set(connection, principal, reader_set)


def _read_version(
    connection: Connection, principal: Principal, version_id: int
) -> TemplateVersion | None:
    row = (
        connection.execute(
            _READABLE_TEXT, {**asker_parameters(principal), "version_id": version_id}
        )
        .mappings()
        .first()
    )
    if row is None:
        log.error("The second gate stopped a template that the first had let through.")
        return None
    return version_of(row)
