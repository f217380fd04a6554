"""Prompt templates as governed objects: immutable versions with readers of their own, switched on
and rolled back.

A template that somebody may not use does not exist for them. Both gates of `access` decide about
it: the first about which activation counts, the second inside the statement that reads the text.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)

from indexes.catalog.access import (
    IDENTITIES,
    NO_SET,
    asker_parameters,
    confirm,
    may_read,
    may_read_set,
    readable_sets,
)
from indexes.catalog.database import Database, Prepared, actor_of
from indexes.catalog.documents import intern_readers, readers_by_set
from indexes.catalog.people import known_id
from indexes.catalog.schema import principals, template_activations, template_versions, templates
from indexes.errors import BadInput, NotFound
from indexes.model import Actor, Principal, Readers
from indexes.principals import check_principal

log = logging.getLogger(__name__)

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
Audience = Literal["name", "user", "group", "default"]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateInfo:
    """A template as administrators see it in a list."""

    name: str
    style: str
    language: str
    readers: Readers
    versions: int  # 1 to this


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """What is active, and for whom: `name` (who asks for it by name), `default`, a user or a group."""

    audience: str
    version: str  # "name@version"
    candidate: str | None
    share: float
    activated_by: str
    activated_at: datetime


_active = template_activations
_VERSION = select(
    template_versions, templates.c.name, templates.c.style, templates.c.language
).join(templates, templates.c.id == template_versions.c.template_id)
_READABLE_TEXT = _VERSION.where(
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
_BY_ASKER = _ACTIVE.where(
    templates.c.language == bindparam("language"),
    or_(
        _active.c.audience == DEFAULT,
        and_(_active.c.audience.in_(("user", "group")), _active.c.principal_id.in_(IDENTITIES)),
    ),
).order_by(
    case((_active.c.audience == "user", 0), (_active.c.audience == "group", 1), else_=2),
    _active.c.id.desc(),
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


class Templates:
    """Every change holds for each request that starts after the call has returned, in every
    process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- for who asks questions -----------------------------------------------------------------

    def meant_for(self, principal: Principal, style: str, language: str) -> Chosen | None:
        """What is active for this asker among the templates that they may use; None: nothing is."""
        with self._database.reading() as connection:
            confirm(connection, principal)
            given = {**asker_parameters(principal), "style": style, "language": language}
            return _first_usable(
                connection, principal, connection.execute(_BY_ASKER, given).mappings().all()
            )

    def named(self, principal: Principal, name: str, style: str) -> Chosen | None:
        """What a name stands for now; None: nothing is active under it, or not for this asker."""
        with self._database.reading() as connection:
            confirm(connection, principal)
            if not _may_use(connection, principal, {"name": name, "style": style}):
                return None
            found = connection.execute(_BY_NAME, {"name": name, "style": style}).mappings().all()
            return _first_usable(connection, principal, found)

    def pinned(
        self, principal: Principal, name: str, version: int, style: str
    ) -> TemplateVersion | None:
        """One version, active or not; None: there is none, or not for this asker."""
        with self._database.reading() as connection:
            confirm(connection, principal)
            wanted = {"name": name, "version": version, "style": style}
            if not _may_use(connection, principal, {"name": name, "style": style}):
                return None
            found = connection.scalar(_PINNED, wanted)
            return None if found is None else _readable(connection, principal, found)

    # --- for administrators ---------------------------------------------------------------------

    def save(
        self,
        name: str,
        style: str,
        language: str,
        text: TemplateText,
        readers: Readers | None = None,
        *,
        by: Actor,
    ) -> TemplateVersion:
        """A new version; the newest one where it says the same.

        Changes nothing for anybody until it is activated.

        readers: who may use the template, all its versions; None: those it has. Raises BadInput.
        """
        if not NAME.fullmatch(name):
            raise BadInput(
                f"{name[:80]!a} cannot name a template.",
                remedy="Use up to 64 small letters, digits, dots, hyphens and underscores.",
            )
        with self._database.writing(by) as connection:
            template_id = _head(connection, name, style, language, readers)
            newest = _newest(connection, template_id)
            if newest is None or _text(newest["text"]) != text:
                values = {
                    "version": 1 if newest is None else newest["version"] + 1,
                    "text": asdict(text),
                }
                values |= {
                    "template_id": template_id,
                    "saved_by": actor_of(connection).name,
                    "saved_at": datetime.now(UTC),
                }
                connection.execute(insert(template_versions).values(values))
                newest = _newest(connection, template_id)
            assert newest is not None
            return _version(newest)

    def relabel(self, name: str, readers: Readers, *, by: Actor) -> None:
        """Change who may use the template. Raises NotFound."""
        _check_name(name)
        with self._database.writing(by) as connection:
            values = {"reader_set_id": intern_readers(connection, readers)}
            if (
                connection.execute(
                    update(templates).where(templates.c.name == name).values(values)
                ).rowcount
                == 0
            ):
                raise _unknown(name)

    def activate(
        self,
        name: str,
        version: int,
        *,
        audience: str = BY_NAME,
        candidate: str | None = None,
        share: float = 0.0,
        by: Actor,
    ) -> None:
        """From the next request on, the audience gets this version, and a share of it the candidate
        ("name@version").

        audience: `name` (who asks for it by name), `default`, `user:…` or `group:…`. Raises
        NotFound, BadInput.
        """
        with self._database.writing(by) as connection:
            chosen = _known(connection, name, version)
            other = _candidate_for(connection, chosen, audience, candidate, share)
            kind, principal_id = _audience(connection, audience)
            values = {
                "audience": kind,
                "principal_id": principal_id,
                "version_id": chosen["id"],
                "candidate_id": other,
            }
            values |= {
                "share": share,
                "activated_by": actor_of(connection).name,
                "activated_at": datetime.now(UTC),
            }
            connection.execute(insert(template_activations).values(values))

    def rollback(self, name: str, *, audience: str = BY_NAME, by: Actor) -> Activation | None:
        """What was active before holds again for this audience, and is returned; None: now nothing
        is.

        Raises NotFound where this template is not what is active there.
        """
        with self._database.writing(by) as connection:
            kind, principal_id = _audience(connection, audience)
            newest = (
                connection.execute(_current(connection, name, kind, principal_id))
                .mappings()
                .first()
            )
            if newest is None or newest["name"] != name:
                raise NotFound(
                    f"{name} is not active for {audience}.",
                    remedy="See: clearance templates show NAME",
                )
            this = template_activations.c.id == newest["id"]
            connection.execute(
                update(template_activations).where(this).values(withdrawn_at=datetime.now(UTC))
            )
            before = (
                connection.execute(_current(connection, name, kind, principal_id))
                .mappings()
                .first()
            )
            return None if before is None else _activation(connection, before)

    def list(self) -> list[TemplateInfo]:
        """Every template, by name."""
        count = (
            select(func.count())
            .where(template_versions.c.template_id == templates.c.id)
            .scalar_subquery()
        )
        wanted = select(templates, count.label("versions")).order_by(templates.c.name)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).mappings().all()
            readers = readers_by_set(connection, {row["reader_set_id"] for row in rows})
            shown = ("name", "style", "language", "versions")
            return [
                TemplateInfo(
                    **{key: row[key] for key in shown}, readers=readers[row["reader_set_id"]]
                )
                for row in rows
            ]

    def versions(self, name: str) -> tuple[TemplateVersion, ...]:
        """Every version, oldest first. Raises NotFound."""
        _check_name(name)
        with self._database.reading() as connection:
            wanted = _VERSION.where(templates.c.name == name).order_by(template_versions.c.version)
            found = tuple(_version(row) for row in connection.execute(wanted).mappings())
        if not found:
            raise _unknown(name)
        return found

    def activations(self, name: str | None = None) -> Sequence[Activation]:
        """What is active now, for each audience; with a name: where that template is."""
        with self._database.reading() as connection:
            newest: dict[tuple[Any, ...], RowMapping] = {}
            for row in connection.execute(_ACTIVATIONS.order_by(_active.c.id)).mappings():
                slot = (row["audience"], row["principal_id"], row["style"], row["language"])
                newest[(*slot, row["name"]) if row["audience"] == BY_NAME else slot] = row
            return [
                _activation(connection, row)
                for row in newest.values()
                if name in (None, row["name"])
            ]


_ACTIVATIONS = (
    select(_active, templates.c.name, templates.c.style, templates.c.language)
    .join(template_versions, template_versions.c.id == _active.c.version_id)
    .join(templates, templates.c.id == template_versions.c.template_id)
    .where(_active.c.withdrawn_at.is_(None))
)


def _first_usable(
    connection: Connection, principal: Principal, rows: Sequence[RowMapping]
) -> Chosen | None:
    """The first of these activations whose template the asker may use, without its candidate if
    that is forbidden.
    """
    sets = {row[of] for row in rows for of in ("reader_set_id", "candidate_reader_set_id")} - {None}
    allowed = set(readable_sets(connection, principal, sets)) if sets else set()
    for row in rows:
        version = (
            _readable(connection, principal, row["version_id"])
            if row["reader_set_id"] in allowed
            else None
        )
        if version is not None:
            tried = row["candidate_reader_set_id"] in allowed
            candidate = _readable(connection, principal, row["candidate_id"]) if tried else None
            return Chosen(version=version, candidate=candidate, share=row["share"])
    return None


def _may_use(connection: Connection, principal: Principal, wanted: Mapping[str, str]) -> bool:
    """Decided before anything else is read, in the same two steps for what is hidden and what is
    absent.
    """
    ((reader_set,),) = _SET_OF_NAME.rows(connection, wanted)
    return may_read_set(connection, principal, reader_set)


def _readable(
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
    return _version(row)


def _head(
    connection: Connection, name: str, style: str, language: str, readers: Readers | None
) -> int:
    """The template of that name, made now if it is new, with these readers."""
    found = connection.execute(select(templates).where(templates.c.name == name)).first()
    if found is None:
        if readers is None:
            raise BadInput(
                f"Nothing says who may use {name}.",
                remedy="Name them: --allow group:support, or --allow public.",
            )
        own = {"name": name, "style": style, "language": language}
        added = insert(templates).values(**own, reader_set_id=intern_readers(connection, readers))
        return int(connection.execute(added.returning(templates.c.id)).scalar_one())
    if (found.style, found.language) != (style, language):
        raise BadInput(
            f"{name} is a template for {found.style} models in {found.language}, for all its versions.",
            remedy="Save this one under another name.",
        )
    if readers is not None:
        changed = update(templates).where(templates.c.id == found.id)
        connection.execute(changed.values(reader_set_id=intern_readers(connection, readers)))
    return int(found.id)


def _newest(connection: Connection, template_id: int) -> RowMapping | None:
    newest_first = template_versions.c.version.desc()
    return (
        connection.execute(_VERSION.where(templates.c.id == template_id).order_by(newest_first))
        .mappings()
        .first()
    )


def _check_name(name: str) -> None:
    """Raises NotFound for what names no template, before a database that refuses its characters is
    asked for it.
    """
    if not NAME.fullmatch(name):
        raise _unknown(name)


def _known(connection: Connection, name: str, version: int) -> RowMapping:
    _check_name(name)
    this = and_(templates.c.name == name, template_versions.c.version == version)
    found = connection.execute(_VERSION.where(this)).mappings().first()
    if found is None:
        raise _unknown(f"{name}@{version}")
    return found


def _candidate_for(
    connection: Connection, chosen: RowMapping, audience: str, candidate: str | None, share: float
) -> int | None:
    """The id of the candidate. Raises BadInput where it cannot stand in for what is chosen."""
    if (candidate is not None) != (share > 0) or not 0 <= share <= 1:
        raise BadInput(
            "A candidate and its share go together.",
            remedy="Give both: --candidate NAME@VERSION --share 0.1",
        )
    if candidate is None:
        return None
    other = _known(connection, *split_label(candidate))
    if audience == BY_NAME and other["name"] != chosen["name"]:
        raise BadInput(
            "Who asks for a template by name gets that template.",
            remedy="Take a version of the same.",
        )
    if any(other[key] != chosen[key] for key in ("style", "language")):
        raise BadInput(f"{candidate} is for another kind of model or another language.")
    found: int = other["id"]
    return found


def split_label(label: str) -> tuple[str, int]:
    """`support@2` as name and version. Raises BadInput."""
    name, _, version = label.partition("@")
    if not name or not (version.isascii() and version.isdigit()) or len(version) > 9:
        raise BadInput(f"{label[:80]!a} is not NAME@VERSION.", remedy="Write it like support@2.")
    return name, int(version)


def _audience(connection: Connection, audience: str) -> tuple[str, int | None]:
    """Raises BadPrincipal and NotFound for a user or group that is not known."""
    if audience in (BY_NAME, DEFAULT):
        return audience, None
    name = check_principal(audience)
    if name == "public":
        return DEFAULT, None
    return name.partition(":")[0], known_id(connection, name)


def _current(connection: Connection, name: str, kind: str, principal_id: int | None) -> Select[Any]:
    """What is active for an audience in the place of this template: first the newest."""
    _check_name(name)
    template = connection.execute(select(templates).where(templates.c.name == name)).first()
    if template is None:
        raise _unknown(name)
    place = [
        _active.c.audience == kind,
        templates.c.style == template.style,
        templates.c.language == template.language,
    ]
    if kind == BY_NAME:
        place.append(templates.c.name == name)
    if principal_id is not None:
        place.append(_active.c.principal_id == principal_id)
    return _ACTIVATIONS.where(*place).order_by(_active.c.id.desc())


def _activation(connection: Connection, row: RowMapping) -> Activation:
    def label(version_id: int | None) -> str | None:
        found = (
            connection.execute(_VERSION.where(template_versions.c.id == version_id))
            .mappings()
            .first()
        )
        return None if found is None else f"{found['name']}@{found['version']}"

    who = select(principals.c.name).where(principals.c.id == row["principal_id"])
    return Activation(
        audience=row["audience"] if row["principal_id"] is None else str(connection.scalar(who)),
        version=label(row["version_id"]) or "",
        candidate=label(row["candidate_id"]),
        share=row["share"],
        activated_by=row["activated_by"],
        activated_at=row["activated_at"],
    )


def _version(row: RowMapping) -> TemplateVersion:
    shown = {
        key: row[key] for key in ("name", "version", "style", "language", "saved_by", "saved_at")
    }
    return TemplateVersion(**shown, text=_text(row["text"]))


def _text(stored: Mapping[str, Any]) -> TemplateText:
    lists = {key: tuple(stored[key]) for key in ("variables", "stop")}
    return TemplateText(
        system=stored["system"], user=stored["user"], no_answer=stored["no_answer"], **lists
    )


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no template {name[:80]!a}.", remedy="See: clearance templates list")
