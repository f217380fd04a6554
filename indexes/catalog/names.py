"""Names of principals against those that are declared: whom a rule means, who is nearest, which
names are taken.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import ColumnElement, Connection, insert, select

from indexes.catalog.database import in_batches
from indexes.catalog.schema import principal_aliases, principal_shapes, principals
from indexes.confusables import edit_distance, shapes
from indexes.errors import AlreadyExists, BadPrincipal, NotFound, NotPermitted, UnknownPrincipal
from indexes.model import PUBLIC, Principal, Readers
from indexes.principals import ascii_form, check_principal, user_name

DECLARED = ("active", "disabled")
MAX_LOOKED_AT = 50_000  # names among which a nearest one is looked for
MAX_ID_DIGITS = 18
MAX_HINTS = 100  # unknown names of one question that get one
# a name up to this long is near to another if one letter differs, a longer one if two do
_FEW_LETTERS = 4


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name in a rule that nobody has declared."""

    name: str
    nearest: str | None = None  # a declared name that may be meant; for operators only

    def __str__(self) -> str:
        if self.nearest is None:
            return f"{_readable_form(self.name)} is not declared."
        # in letters, both would look the same
        alike = name_shapes(self.name) & name_shapes(self.nearest)
        ascii_only = alike and not self.name.isascii()
        said = ascii_form(self.name) if ascii_only else _readable_form(self.name)
        return f"{said} is not declared. Is {_readable_form(self.nearest)} meant?"


@dataclass(frozen=True, slots=True)
class ResolvedNames:
    """Whom the names of rules mean now."""

    # by the name that a rule says, former names included: what it is called now
    current: dict[str, str]
    unknown: dict[str, Unknown]

    @classmethod
    def without_catalog(cls, names: Iterable[str]) -> Self:
        """Before anybody is declared."""
        return cls(
            {PUBLIC: PUBLIC}, {name: Unknown(name) for name in sorted(names) if name != PUBLIC}
        )

    def readers(self, said: Readers) -> Readers:
        """The rule with everybody under the present name."""
        return Readers(allow=self._called(said.allow), deny=self._called(said.deny))

    def unknown_in(self, names: Iterable[str]) -> tuple[Unknown, ...]:
        return tuple(self.unknown[name] for name in sorted(names) if name in self.unknown)

    def _called(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(self.current.get(name, name) for name in names)


def meaning(connection: Connection, names: Collection[str], *, hints: bool = True) -> ResolvedNames:
    """Whom these names mean. hints: look for the nearest of those that are unknown."""
    current = {name: name for name in declared_ids(connection, names)} | dict(
        _find_former_names(connection, names)
    )
    current |= {PUBLIC: PUBLIC} if PUBLIC in names else {}
    missing = sorted(set(names) - set(current))
    found = find_nearest(connection, missing[:MAX_HINTS]) if hints and missing else {}
    return ResolvedNames(current, {name: Unknown(name, found.get(name)) for name in missing})


def refuse_unknown(
    connection: Connection, names: Collection[str], where: str = "a rule's deny"
) -> None:
    """Raises UnknownPrincipal if one of these names is not declared: such a deny would deny
    nobody.
    """
    if unknown := meaning(connection, names).unknown:
        raise unknown_principal(tuple(unknown.values()), where)


def unknown_principal(unknown: Sequence[Unknown], where: str) -> UnknownPrincipal:
    """The error that tells of these names. where: what says them, for the remedy."""
    told = " ".join(str(each) for each in unknown[:5]) + (
        f" And {len(unknown) - 5} more." if len(unknown) > 5 else ""
    )
    kind = unknown[0].name.partition(":")[0]
    remedy = f"Correct the name in {where}, or declare it first: clearance {kind}s add NAME."
    return UnknownPrincipal(told, remedy=remedy)


def declared_ids(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Ids by present name, of those that are declared, disabled ones included."""
    found: dict[str, int] = {}
    for batch in in_batches(sorted(names)):
        wanted = select(principals.c.name, principals.c.id).where(
            principals.c.name.in_(batch), principals.c.state.in_(DECLARED)
        )
        found.update((name, principal_id) for name, principal_id in connection.execute(wanted))
    return found


def declared_id(connection: Connection, kind: str, given: str) -> int:
    """The id of a declared user or group, by its present name.

    Raises NotFound with the nearest name, BadPrincipal.
    """
    said = given if given.startswith(f"{kind}:") else f"{kind}:{given}"
    # before the check: older versions let in what is refused now
    if found := declared_ids(connection, {said}):
        return found[said]
    name = check_principal(said)
    if found := declared_ids(connection, {name}):
        return found[name]
    for _, present in _find_former_names(connection, {name}):
        raise NotFound(
            f"{_readable_form(name)} is called {_readable_form(present)} now.",
            remedy="Use the present name.",
        )
    near = find_nearest(connection, [name]).get(name)
    hint = f"Is {_readable_form(near)} meant? " if near else ""
    raise NotFound(
        f"{_readable_form(name)} is not known.",
        remedy=f"{hint}Add it first: clearance {kind}s add NAME.",
    )


def find_asker(connection: Connection, given: str) -> Principal:
    """The user who may ask by this present name, or by its id as `#42`.

    Raises NotPermitted: nobody has it, or it is disabled.
    """
    try:
        this = principals.c.id == _number(given) if given[:1] == "#" else _is_user(given)
    except (BadPrincipal, ValueError) as error:
        raise NotPermitted() from error
    asks = select(principals.c.id, principals.c.name).where(
        this, principals.c.known == 1, principals.c.name.startswith("user:")
    )
    found = connection.execute(asks).first()
    if found is None:
        raise NotPermitted()
    return Principal(name=found.name, id=found.id)


def _is_user(given: str) -> ColumnElement[bool]:
    return principals.c.name == user_name(given)


def _number(given: str) -> int:
    """Raises ValueError."""
    if not given.isascii() or len(given) > MAX_ID_DIGITS:
        raise ValueError
    return int(given[1:])


def free_name(connection: Connection, kind: str, given: str, of: int | None = None) -> str:
    """The name in its accepted spelling, if it is free.

    of: the id of whoever is to have it. If None, it is somebody new. Raises AlreadyExists.

    Taken are all declared names, former ones, and whatever could be taken for one of them.
    """
    name = check_principal(given if given.startswith(f"{kind}:") else f"{kind}:{given}")
    taken = declared_ids(connection, {name})
    if taken and taken[name] != of:
        raise AlreadyExists(f"{name} exists.")
    former = select(principal_aliases.c.principal_id).where(principal_aliases.c.name == name)
    owner = connection.scalar(former)
    if owner is not None and owner != of:
        present = connection.scalar(select(principals.c.name).where(principals.c.id == owner))
        raise AlreadyExists(
            f"{name} is a former name of {present}, and rules that say it still mean {present}.",
            remedy=f"Take another name, or first: clearance {kind}s forget-name {given.removeprefix(kind + ':')}.",
        )
    alike = select(principal_shapes.c.name).where(
        principal_shapes.c.shape.in_(name_shapes(name)),
        principal_shapes.c.principal_id != (of or 0),
    )
    other = connection.scalar(alike.order_by(principal_shapes.c.name).limit(1))
    if other is not None:
        raise AlreadyExists(
            f"{_readable_form(name)} could be taken for {_readable_form(other)}.",
            remedy="Take another name.",
        )
    return name


def keep_shapes(connection: Connection, name: str, principal_id: int) -> None:
    """From now on no other entity may have a name that could be taken for this one."""
    there = select(principal_shapes.c.shape).where(principal_shapes.c.name == name)
    missing = name_shapes(name) - set(connection.scalars(there))
    rows = [
        {"shape": shape, "name": name, "principal_id": principal_id} for shape in sorted(missing)
    ]
    if rows:
        connection.execute(insert(principal_shapes), rows)


def find_lookalikes(connection: Connection) -> dict[str, set[str]]:
    """Names of different entities that look the same, by each of them."""
    by_shape: dict[str, list[tuple[str, int]]] = {}
    for shape, name, owner in connection.execute(
        select(principal_shapes.c.shape, principal_shapes.c.name, principal_shapes.c.principal_id)
    ):
        by_shape.setdefault(shape, []).append((name, owner))
    found: dict[str, set[str]] = {}
    for alike in by_shape.values():
        for name, owner in alike:
            found.setdefault(name, set()).update(other for other, its in alike if its != owner)
    return found


def name_shapes(name: str) -> frozenset[str]:
    """What the name looks like, one or two keys; names of users and of groups are apart."""
    kind, _, rest = name.partition(":")
    return frozenset(
        hashlib.sha256(f"{kind}:{shape}".encode()).hexdigest() for shape in shapes(rest)
    )


def find_nearest(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """For each name that is like a declared one: that one.

    What looks the same comes before what is spelt alike.
    """
    known = _known_names(connection)
    by_shape: dict[str, str] = {}
    for shape, name in connection.execute(
        select(principal_shapes.c.shape, principal_shapes.c.name).order_by(principal_shapes.c.name)
    ):
        by_shape.setdefault(shape, name)
    found: dict[str, str] = {}
    for name in names:
        same = next(
            (by_shape[shape] for shape in sorted(name_shapes(name)) if shape in by_shape), None
        )
        other = same or _find_alike(name, known)
        if other is not None and other != name:
            found[name] = other
    return found


def _find_alike(name: str, known: Sequence[str]) -> str | None:
    kind, _, rest = name.partition(":")
    wanted = rest.casefold()
    most = 1 if len(wanted) <= _FEW_LETTERS else 2
    best: tuple[int, str] | None = None
    for other in known:
        its_kind, _, its_rest = other.partition(":")
        if its_kind == kind:
            away = edit_distance(wanted, its_rest.casefold(), most)
        else:  # `group:ada` for `user:ada`
            away = 0 if its_rest.casefold() == wanted else most + 1
        if away <= most and (best is None or (away, other) < best):
            best = away, other
    return best[1] if best else None


def _known_names(connection: Connection) -> list[str]:
    declared = (
        select(principals.c.name).where(principals.c.state.in_(DECLARED)).limit(MAX_LOOKED_AT)
    )
    former = select(principal_aliases.c.name).limit(MAX_LOOKED_AT)
    return sorted({*connection.scalars(declared), *connection.scalars(former)})


def _find_former_names(connection: Connection, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """(former name, present name) of those that had one of these names before."""
    for batch in in_batches(sorted(names)):
        wanted = select(principal_aliases.c.name, principals.c.name).join(principals)
        yield from (
            (former, present)
            for former, present in connection.execute(
                wanted.where(principal_aliases.c.name.in_(batch))
            )
        )


def former_ids(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Ids by former name."""
    found: dict[str, int] = {}
    for batch in in_batches(sorted(names)):
        wanted = select(principal_aliases.c.name, principal_aliases.c.principal_id)
        found.update(
            (name, who)
            for name, who in connection.execute(wanted.where(principal_aliases.c.name.in_(batch)))
        )
    return found


def _readable_form(name: str) -> str:
    """The name as it is, if it can be read without doubt; else in ASCII."""
    try:
        return check_principal(name)
    except BadPrincipal:
        return ascii_form(name)


def known_id(connection: Connection, name: str) -> int:
    """The id of a declared user or group, by its full present name.

    Raises NotFound with the nearest name.
    """
    kind, _, _ = name.partition(":")
    return declared_id(connection, kind, name)


def principal_ids(
    connection: Connection, names: Iterable[str], effect: str = "allow"
) -> dict[str, int]:
    """Ids for the names of a rule, former names included.

    A name that nobody has declared is kept if it is allowed, and means nobody until it is declared.
    Raises UnknownPrincipal if it is denied, BadPrincipal for what cannot be a name.
    """
    wanted = set(names)
    found = declared_ids(connection, wanted)
    found |= former_ids(connection, wanted - set(found))
    missing = {check_principal(name): name for name in wanted - set(found)}
    if effect == "deny":
        refuse_unknown(connection, set(missing) - {PUBLIC})
    for batch in in_batches(sorted(missing)):
        rows = connection.execute(
            select(principals.c.name, principals.c.id).where(principals.c.name.in_(batch))
        )
        found.update((missing.pop(name), principal_id) for name, principal_id in rows)
    for name in sorted(missing):
        added = (
            insert(principals)
            .values(name=name, known=0, state="named", external=0)
            .returning(principals.c.id)
        )
        found[missing[name]] = connection.execute(added).scalar_one()
    return found
