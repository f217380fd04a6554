"""Edits of every sort as values, a model of who may read what after them, and how they are carried
out on a catalog.

A story is a list of numbers. What a number stands for depends on what was done before, so a shorter
or smaller list is a story, too, and hypothesis can shrink one; 0 stands for nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from indexes.catalog import Catalog
from indexes.catalog.filters import Filters
from indexes.catalog.template_choice import TemplateText
from indexes.derived import rebuild
from indexes.errors import AlreadyExists, BadInput, IndexDamaged, NotFound
from indexes.model import Principal, Readers
from indexes.testing import HashingEmbedder
from tests.world import TESTER, building_job, document

USERS = ("ada", "bob", "eve")
GROUPS = ("hr", "eng", "all")
URIS = tuple(f"doc{n}" for n in range(14))
WORDS = (
    "budget",
    "iso-27001",
    "alpha",
    "beta",
    "gamma",
    "salary",
    "canteen",
    "pump",
    "预算",
    "工资",
    "the",
    "of",
)
COLLECTIONS = ("default", "manuals")
PERSONS = tuple(f"user:{user}" for user in USERS)
TEAMS = tuple(f"group:{group}" for group in GROUPS)
ASKERS = (*(Principal(name=name) for name in PERSONS), Principal(name="user:nobody"))
WITH_TOKEN = Principal(name="user:ada", groups=frozenset({"group:eng"}))
NO_LIMIT = 2**24

_SAYS = TemplateText(variables=("question",), system="s", user="{{ question }}", no_answer="n")


class QuickEmbedder(HashingEmbedder):
    """Remembers what it has embedded: the same few sentences come again and again."""

    def __init__(self, name: str, dimension: int) -> None:
        super().__init__(dimension, name=name)
        self.query = cache(super().query)  # type: ignore[method-assign]


EMBEDDERS = {"one": QuickEmbedder("one", 16), "two": QuickEmbedder("two", 12)}
BY_FINGERPRINT = {embedder.fingerprint: embedder for embedder in EMBEDDERS.values()}


@dataclass(frozen=True)
class Edit:
    """One thing that somebody does: to the catalog, or to a process that searches."""

    verb: str
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Stored:
    """A document as the model knows it.

    Readers are kept by identity: a name made anew is somebody else.
    """

    texts: tuple[str, ...]
    allow: frozenset[str]
    deny: frozenset[str]
    fields: Mapping[str, Any]


class Model:
    """Who may read what, by brute force."""

    def __init__(self) -> None:
        self.documents: dict[str, Stored] = {}
        self.gone: dict[str, Stored] = {}
        self.users = set(USERS)
        self.members: set[tuple[str, str]] = set()  # (group, member)
        self.lives: dict[str, int] = {}  # how often a name was removed
        self.version = 0

    def identity(self, name: str) -> str:
        return f"{name}/{self.lives.get(name, 0)}"

    def readable(self, asker: Principal) -> set[str]:
        if asker.name.removeprefix("user:") not in self.users:
            return set()
        mine = {self.identity(name) for name in (asker.name, "public", *asker.groups)}
        before: set[str] = set()
        while mine != before:
            before = mine
            mine = mine | {group for group, member in self.members if member in mine}
        return {
            uri
            for uri, stored in self.documents.items()
            if stored.allow & mine and not stored.deny & mine
        }

    def took(self, edit: Edit) -> None:
        """The edit was carried out."""
        match edit.verb:
            case "put":
                self.documents[edit.given["uri"]] = self._stored(edit)
                self.gone.pop(edit.given["uri"], None)
            case "relabel":
                uri = edit.given["uri"]
                there, readers = self.documents[uri], self._identities(edit)
                self.documents[uri] = Stored(there.texts, fields=there.fields, **readers)
            case "delete":
                self.gone[edit.given["uri"]] = self.documents.pop(edit.given["uri"])
            case "join":
                self.members.add(self._edge(edit))
            case "leave":
                self.members.discard(self._edge(edit))
            case "add user":
                self.users.add(edit.given["user"])
            case "remove user":
                self.users.discard(edit.given["user"])
                self._forget(f"user:{edit.given['user']}")
            case "make group anew":
                self._forget(f"group:{edit.given['group']}")

    def _forget(self, name: str) -> None:
        old = self.identity(name)
        self.members = {edge for edge in self.members if old not in edge}
        self.lives[name] = self.lives.get(name, 0) + 1

    def _edge(self, edit: Edit) -> tuple[str, str]:
        return self.identity(f"group:{edit.given['group']}"), self.identity(edit.given["member"])

    def _identities(self, edit: Edit) -> dict[str, frozenset[str]]:
        return {
            effect: frozenset(map(self.identity, edit.given[effect]))
            for effect in ("allow", "deny")
        }

    def _stored(self, edit: Edit) -> Stored:
        return Stored(
            tuple(edit.given["texts"]), fields=edit.given["fields"], **self._identities(edit)
        )


# --- numbers as edits ---------------------------------------------------------------------------


def edit_of(number: int, model: Model) -> Edit | None:
    """What this number stands for now; None: nothing."""
    if number == 0:
        return None
    chance = Random(number)
    make = chance.choices(_KINDS, _WEIGHTS)[0]
    return make(chance, model)


def _put(chance: Random, model: Model) -> Edit:
    return _written(
        model, chance.choice(URIS), _texts(chance, model), _readers(chance), _fields(chance)
    )


def _rename(chance: Random, model: Model) -> Edit | None:
    """Another title and path, the same text."""
    uri = _one(chance, model.documents)
    if uri is None:
        return None
    stored = model.documents[uri]
    return _written(
        model, uri, stored.texts, _readers(chance), {**_fields(chance), "title": f"{uri} again"}
    )


def _relabel(chance: Random, model: Model) -> Edit | None:
    uri = _one(chance, model.documents)
    return None if uri is None else Edit("relabel", {"uri": uri, **_readers(chance)})


def _delete(chance: Random, model: Model) -> Edit | None:
    uri = _one(chance, model.documents)
    return None if uri is None else Edit("delete", {"uri": uri})


def _put_back(chance: Random, model: Model) -> Edit | None:
    uri = _one(chance, model.gone)
    if uri is None:
        return None
    stored = model.gone[uri]
    return _written(model, uri, stored.texts, _readers(chance), stored.fields)


def _join(chance: Random, model: Model) -> Edit:
    return Edit(
        "join", {"group": chance.choice(GROUPS), "member": chance.choice([*PERSONS, *TEAMS])}
    )


def _leave(chance: Random, model: Model) -> Edit | None:
    here = [
        edge
        for edge in sorted(model.members)
        if edge == tuple(map(model.identity, map(_name, edge)))
    ]
    if not here:
        return None
    group, member = map(_name, chance.choice(here))
    return Edit("leave", {"group": group.removeprefix("group:"), "member": member})


def _person(chance: Random, model: Model) -> Edit:
    user = chance.choice(USERS)
    return Edit("remove user" if user in model.users else "add user", {"user": user})


def _group(chance: Random, model: Model) -> Edit:
    return Edit("make group anew", {"group": chance.choice(GROUPS)})


def _template(chance: Random, model: Model) -> Edit:
    return Edit("rule for a template", _readers(chance))


def _rule_for_model(chance: Random, model: Model) -> Edit:
    return Edit("rule for a model", _readers(chance))


def _without(verb: str) -> Callable[[Random, Model], Edit]:
    return lambda chance, model: Edit(verb, {})


_OFTEN: dict[Callable[[Random, Model], Edit | None], float] = {
    _put: 24,
    _rename: 5,
    _relabel: 30,
    _delete: 10,
    _put_back: 5,
    _join: 6,
    _leave: 3,
    _person: 3,
    _group: 1,
    _template: 1,
    _rule_for_model: 1,
    _without("begin a generation"): 1,
    _without("make a generation ready"): 1,
    _without("switch generation"): 1,
    _without("ask for a rebuild"): 0.5,
    _without("rebuild"): 0.5,
    _without("tend"): 2,
    _without("checkpoint"): 2,
    _without("restart"): 2,
    _without("second process"): 1,
    _without("search"): 1,
    _without("follow"): 1,
}
_KINDS, _WEIGHTS = list(_OFTEN), list(_OFTEN.values())
# a few sets that many documents share, beside those made up
_POOL: tuple[tuple[list[str], list[str]], ...] = (
    (["group:hr"], []),
    (["group:eng"], []),
    (["group:hr", "group:eng"], []),
    (["group:all"], ["user:bob"]),
    (["public"], []),
    ([], []),
)


def _readers(chance: Random) -> dict[str, list[str]]:
    if chance.random() < 0.7:
        allow, deny = chance.choice(_POOL)
    else:
        allow = chance.sample([*PERSONS, *TEAMS, "public"], chance.randint(1, 3))
        deny = chance.sample([*PERSONS, *TEAMS], chance.choice([0, 0, 1]))
    return {"allow": allow, "deny": deny}


def _texts(chance: Random, model: Model) -> tuple[str, ...]:
    """The number in each keeps it from being taken for a copy of another."""
    model.version += 1
    parts = chance.choice([0, 1, 1, 1, 2, 3])
    return tuple(
        " ".join([*chance.choices(WORDS, k=chance.randint(1, 8)), f"v{model.version}p{part}"])
        for part in range(parts)
    )


def _fields(chance: Random) -> dict[str, Any]:
    return {
        "collection": chance.choice(COLLECTIONS),
        "language": chance.choice([None, "en", "zh"]),
        "path": f"{chance.choice('abc')}/{chance.randint(1, 9)}",
        "metadata": {"year": chance.randint(2024, 2026)},
    }


def _written(
    model: Model,
    uri: str,
    texts: Iterable[str],
    readers: Mapping[str, list[str]],
    fields: Mapping[str, Any],
) -> Edit:
    return Edit("put", {"uri": uri, "texts": list(texts), "fields": dict(fields), **readers})


def _one(chance: Random, among: Iterable[str]) -> str | None:
    names = sorted(among)
    return chance.choice(names) if names else None


def _name(identity: str) -> str:
    return identity.rpartition("/")[0]


def question_of(chance: Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(1, 4)))


def filters_of(chance: Random) -> Filters:
    kind = chance.randrange(4)
    if kind == 0:
        return Filters(collection=chance.choice(COLLECTIONS))
    if kind == 1:
        return Filters(path_prefix=chance.choice("abc"))
    if kind == 2:
        return Filters(language="en", metadata={"year": chance.randint(2024, 2026)})
    return Filters(metadata={"year": chance.randint(2024, 2026)})


# --- edits of a catalog -------------------------------------------------------------------------


def carry_out(catalog: Catalog, edit: Edit) -> bool:
    """Do it. False: the catalog refused, and nothing was changed."""
    try:
        _ON_A_CATALOG[edit.verb](catalog, **edit.given)
    except (AlreadyExists, BadInput, NotFound):
        return False
    return True


def is_of_the_catalog(edit: Edit) -> bool:
    return edit.verb in _ON_A_CATALOG


def new_people(catalog: Catalog) -> None:
    """Those that the stories are about."""
    for user in USERS:
        catalog.people.add_user(user, by=TESTER)
    for group in GROUPS:
        _add_group(catalog, group)


def _add_group(catalog: Catalog, group: str) -> None:
    catalog.people.add_group(group, external=f"group:{group}" in WITH_TOKEN.groups, by=TESTER)


def _do_put(
    catalog: Catalog,
    uri: str,
    texts: list[str],
    allow: list[str],
    deny: list[str],
    fields: Mapping[str, Any],
) -> None:
    made = document(uri, texts, allow, deny, **{"title": uri, **fields})
    vectors = {
        g.id: BY_FINGERPRINT[g.fingerprint].passages(texts) for g in catalog.generations.writable()
    }
    catalog.documents.put(made, vectors, by=TESTER)


def _do_relabel(catalog: Catalog, uri: str, allow: list[str], deny: list[str]) -> None:
    assert catalog.documents.relabel(uri, _of(allow, deny), by=TESTER)


def _do_delete(catalog: Catalog, uri: str) -> None:
    assert catalog.documents.delete(uri, by=TESTER)


def _do_make_group(catalog: Catalog, group: str) -> None:
    catalog.people.remove_group(group, by=TESTER)
    _add_group(catalog, group)


def _do_template(catalog: Catalog, allow: list[str], deny: list[str]) -> None:
    catalog.templates.save("short", "chat", "en", _SAYS, _of(allow, deny), by=TESTER)


def _do_begin(catalog: Catalog) -> None:
    other = _other(catalog)
    job = building_job(catalog)
    catalog.generations.begin(other.name, other.fingerprint, other.dimension, by=TESTER, job=job)


def _do_ready(catalog: Catalog) -> None:
    """As far as `rebuild` comes before it switches."""
    other = _other(catalog)
    generation = catalog.generations.begin(
        other.name, other.fingerprint, other.dimension, by=TESTER, job=building_job(catalog)
    )
    rebuild._embed_all(catalog, generation, other, lambda done, total: None, TESTER)
    catalog.generations.announce(generation, by=TESTER)


def _do_switch(catalog: Catalog) -> None:
    """To what is ready if something is, else all at once."""
    other = _other(catalog)
    for generation in catalog.generations.writable():
        if generation.state == "ready" and generation.fingerprint == other.fingerprint:
            try:
                catalog.generations.activate(generation, by=TESTER)
            except IndexDamaged:
                break
            return
    how = rebuild.Switching(grace_s=0, least_overlap=None, job=building_job(catalog))
    rebuild.rebuild(catalog, other.name, lambda name, *_: EMBEDDERS[name], by=TESTER, switching=how)


def _other(catalog: Catalog) -> QuickEmbedder:
    active = catalog.generations.active()
    return next(
        e for e in EMBEDDERS.values() if active is None or e.fingerprint != active.fingerprint
    )


def _of(allow: Iterable[str], deny: Iterable[str]) -> Readers:
    return Readers(allow=frozenset(allow), deny=frozenset(deny))


_ON_A_CATALOG: dict[str, Callable[..., None]] = {
    "put": _do_put,
    "relabel": _do_relabel,
    "delete": _do_delete,
    "join": lambda catalog, group, member: catalog.people.add_member(group, member, by=TESTER),
    "leave": lambda catalog, group, member: catalog.people.remove_member(group, member, by=TESTER),
    "add user": lambda catalog, user: catalog.people.add_user(user, by=TESTER),
    "remove user": lambda catalog, user: catalog.people.remove_user(user, by=TESTER),
    "make group anew": _do_make_group,
    "rule for a template": _do_template,
    "rule for a model": lambda catalog, allow, deny: catalog.models.set(
        "small", _of(allow, deny), by=TESTER
    ),
    "begin a generation": _do_begin,
    "make a generation ready": _do_ready,
    "switch generation": _do_switch,
    "ask for a rebuild": lambda catalog: catalog.generations.request_rebuild(by=TESTER),
}
