"""Prompt templates as governed objects: immutable versions with readers of their own, switched on
and rolled back.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, func, insert, select, update

from indexes.catalog.access import confirm
from indexes.catalog.audit.changes import readers_as_json, record_change
from indexes.catalog.database import Database, actor_of
from indexes.catalog.names import known_id
from indexes.catalog.reader_sets import intern_readers, readers_by_set
from indexes.catalog.schema import principals, template_activations, template_versions, templates
from indexes.catalog.template_choice import (
    BY_NAME,
    DEFAULT,
    VERSIONS,
    Chosen,
    TemplateText,
    TemplateVersion,
    choose_by_name,
    choose_for_asker,
    find_version,
    text_of,
    version_of,
)
from indexes.errors import BadInput, NotFound
from indexes.model import Actor, Principal, Readers
from indexes.principals import check_principal

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


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


class Templates:
    """Every change holds for each request that starts after the call has returned, in every
    process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- for who asks questions -----------------------------------------------------------------

    def choose_for_asker(self, principal: Principal, style: str, language: str) -> Chosen | None:
        """What is active for this asker among the templates that they may use. If None, nothing
        is.
        """
        with self._database.reading() as connection:
            confirm(connection, principal)
            return choose_for_asker(connection, principal, style, language)

    def choose_by_name(self, principal: Principal, name: str, style: str) -> Chosen | None:
        """What is active under a name. If None, nothing is, or not for this asker."""
        with self._database.reading() as connection:
            confirm(connection, principal)
            return choose_by_name(connection, principal, name, style)

    def find_version(
        self, principal: Principal, name: str, version: int, style: str
    ) -> TemplateVersion | None:
        """One version, active or not. If None, there is none, or not for this asker."""
        with self._database.reading() as connection:
            confirm(connection, principal)
            return find_version(connection, principal, name, version, style)

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
        """Save a new version. Returns the newest one if it says the same.

        Changes nothing for anybody until it is activated.

        readers: who may use the template, in all its versions. If None, those it has stay. Raises
        BadInput.
        """
        if not NAME.fullmatch(name):
            raise BadInput(
                f"{name[:80]!a} cannot name a template.",
                remedy="Use up to 64 small letters, digits, dots, hyphens and underscores.",
            )
        with self._database.writing(by) as connection:
            template_id = _ensure_template(connection, name, style, language, readers)
            newest = _find_newest(connection, template_id)
            if newest is None or text_of(newest["text"]) != text:
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
                newest = _find_newest(connection, template_id)
                record_change(
                    connection, "template.saved", f"{name}@{values['version']}", after=asdict(text)
                )
            assert newest is not None
            return version_of(newest)

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
                raise _no_such_template(name)
            record_change(connection, "template.relabelled", name, after=readers_as_json(readers))

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
            chosen = _find_version(connection, name, version)
            other = _find_candidate(connection, chosen, audience, candidate, share)
            kind, principal_id = _parse_audience(connection, audience)
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
            record_change(
                connection,
                "template.activated",
                f"{name}@{chosen['version']}",
                after={"audience": audience, "candidate": candidate, "share": share},
            )

    def rollback(self, name: str, *, audience: str = BY_NAME, by: Actor) -> Activation | None:
        """What was active before holds again for this audience, and is returned.

        If None, nothing is active there now. Raises NotFound if this template is not what is active
        there.
        """
        with self._database.writing(by) as connection:
            kind, principal_id = _parse_audience(connection, audience)
            newest = (
                connection.execute(_select_current(connection, name, kind, principal_id))
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
            record_change(connection, "template.rolled_back", name, before={"audience": audience})
            before = (
                connection.execute(_select_current(connection, name, kind, principal_id))
                .mappings()
                .first()
            )
            return None if before is None else _activation_of(connection, before)

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
            wanted = VERSIONS.where(templates.c.name == name).order_by(template_versions.c.version)
            found = tuple(version_of(row) for row in connection.execute(wanted).mappings())
        if not found:
            raise _no_such_template(name)
        return found

    def activations(self, name: str | None = None) -> Sequence[Activation]:
        """What is active now, for each audience. name: only of this template."""
        with self._database.reading() as connection:
            newest: dict[tuple[Any, ...], RowMapping] = {}
            for row in connection.execute(
                _ACTIVATIONS.order_by(template_activations.c.id)
            ).mappings():
                slot = (row["audience"], row["principal_id"], row["style"], row["language"])
                newest[(*slot, row["name"]) if row["audience"] == BY_NAME else slot] = row
            return [
                _activation_of(connection, row)
                for row in newest.values()
                if name in (None, row["name"])
            ]


_ACTIVATIONS = (
    select(template_activations, templates.c.name, templates.c.style, templates.c.language)
    .join(template_versions, template_versions.c.id == template_activations.c.version_id)
    .join(templates, templates.c.id == template_versions.c.template_id)
    .where(template_activations.c.withdrawn_at.is_(None))
)


def _ensure_template(
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


def _find_newest(connection: Connection, template_id: int) -> RowMapping | None:
    newest_first = template_versions.c.version.desc()
    return (
        connection.execute(VERSIONS.where(templates.c.id == template_id).order_by(newest_first))
        .mappings()
        .first()
    )


def _check_name(name: str) -> None:
    """Raises NotFound for what names no template, before a database that refuses its characters is
    asked for it.
    """
    if not NAME.fullmatch(name):
        raise _no_such_template(name)


def _find_version(connection: Connection, name: str, version: int) -> RowMapping:
    _check_name(name)
    this = and_(templates.c.name == name, template_versions.c.version == version)
    found = connection.execute(VERSIONS.where(this)).mappings().first()
    if found is None:
        raise _no_such_template(f"{name}@{version}")
    return found


def _find_candidate(
    connection: Connection, chosen: RowMapping, audience: str, candidate: str | None, share: float
) -> int | None:
    """The id of the candidate. Raises BadInput if it cannot stand in for what is chosen."""
    if (candidate is not None) != (share > 0) or not 0 <= share <= 1:
        raise BadInput(
            "A candidate and its share go together.",
            remedy="Give both: --candidate NAME@VERSION --share 0.1",
        )
    if candidate is None:
        return None
    other = _find_version(connection, *split_label(candidate))
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


def _parse_audience(connection: Connection, audience: str) -> tuple[str, int | None]:
    """Raises BadPrincipal and NotFound for a user or group that is not known."""
    if audience in (BY_NAME, DEFAULT):
        return audience, None
    name = check_principal(audience)
    if name == "public":
        return DEFAULT, None
    return name.partition(":")[0], known_id(connection, name)


def _select_current(
    connection: Connection, name: str, kind: str, principal_id: int | None
) -> Select[Any]:
    """What is active for an audience in the place of this template: first the newest."""
    _check_name(name)
    template = connection.execute(select(templates).where(templates.c.name == name)).first()
    if template is None:
        raise _no_such_template(name)
    place = [
        template_activations.c.audience == kind,
        templates.c.style == template.style,
        templates.c.language == template.language,
    ]
    if kind == BY_NAME:
        place.append(templates.c.name == name)
    if principal_id is not None:
        place.append(template_activations.c.principal_id == principal_id)
    return _ACTIVATIONS.where(*place).order_by(template_activations.c.id.desc())


def _activation_of(connection: Connection, row: RowMapping) -> Activation:
    def label(version_id: int | None) -> str | None:
        found = (
            connection.execute(VERSIONS.where(template_versions.c.id == version_id))
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


def _no_such_template(name: str) -> NotFound:
    return NotFound(f"There is no template {name[:80]!a}.", remedy="See: clearance templates list")
