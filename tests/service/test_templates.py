"""Templates as governed objects: who gets which, from when on, and that nobody learns of one that
is not for them.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexes.catalog import Catalog, template_choice, templates
from indexes.catalog.template_choice import TemplateText
from indexes.errors import BadInput, BadPrincipal, NotFound
from indexes.model import Actor, Principal, Readers
from service.answering.answerer import Answerer
from service.answering.values import Answer, Ask
from service.operating.threads import Threads
from service.templates.store import CatalogTemplates, draw_share
from service.templates.template import BUILT_IN
from service.testing.models import ScriptedModel
from tests.service.given import Library, hit
from tests.world import TESTER, World

USER = "{{ boundary }}\n{% for p in passages %}\n[{{ p.n }}] {{ p.text }}\n{% endfor %}\n{{ boundary }}\n{{ question }}"
ADA, BOB, EVE = (Principal(name=f"user:{name}") for name in ("ada", "bob", "eve"))
ROOT = Actor("user:root")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "home")
    made.people(ada=["hr"], bob=["eng"], eve=[])
    made.catalog.people.add_group("staff", by=TESTER)
    made.catalog.people.add_member("staff", "group:hr", by=TESTER)
    yield made
    made.close()


def text(word: str) -> TemplateText:
    return TemplateText(
        variables=(), system=f"{word}: {{{{ no_answer }}}}", user=USER, no_answer="Not there."
    )


def save(
    catalog: Catalog, name: str, *allow: str, word: str = "One", deny: tuple[str, ...] = ()
) -> str:
    readers = Readers(allow=frozenset(allow), deny=frozenset(deny)) if allow or deny else None
    return catalog.templates.save(name, "chat", "en", text(word), readers, by=ROOT).label


def activate(catalog: Catalog, label: str, audience: str = "default", **candidate: object) -> None:
    name, _, version = label.partition("@")
    catalog.templates.activate(name, int(version), audience=audience, by=ROOT, **candidate)  # type: ignore[arg-type]


def chosen(catalog: Catalog, who: Principal, name: str | None = None) -> str:
    return CatalogTemplates(catalog).choose(name, who, "chat", "en").label


def refusal(catalog: Catalog, who: Principal, name: str) -> str:
    with pytest.raises(NotFound) as refused:
        chosen(catalog, who, name)
    return f"{refused.value} {refused.value.remedy}".replace(name, "…")


# --- versions -----------------------------------------------------------------------------------


def test_a_version_never_changes_and_saving_the_same_makes_no_new_one(world: World) -> None:
    templates = world.catalog.templates
    assert save(world.catalog, "support", "public") == "support@1"
    first = templates.versions("support")[0]
    assert save(world.catalog, "support") == "support@1"
    assert save(world.catalog, "support", word="Two") == "support@2"
    assert save(world.catalog, "support", word="One") == "support@3", (
        "an old text again is a new version"
    )
    assert templates.versions("support")[0] == first
    assert [version.version for version in templates.versions("support")] == [1, 2, 3]


def test_nothing_in_the_code_updates_a_version() -> None:
    for file in (templates.__file__, template_choice.__file__):
        source = Path(file).read_text(encoding="utf-8")
        assert "update(template_versions)" not in source
        assert "delete(" not in source


def test_what_cannot_be_saved_is_refused(world: World) -> None:
    for name in ("", "Support", "../x", "a b", "a@1", "-a", "a" * 65, "模板"):
        with pytest.raises(BadInput, match="cannot name a template"):
            save(world.catalog, name, "public")
    with pytest.raises(BadInput, match="who may use"):
        save(world.catalog, "support")
    with pytest.raises(BadPrincipal):
        save(world.catalog, "support", "everybody")
    save(world.catalog, "support", "public")
    with pytest.raises(BadInput, match="for chat models in en"):
        world.catalog.templates.save("support", "chat", "zh", text("x"), by=ROOT)
    assert [info.versions for info in world.catalog.templates.list()] == [1]


# --- who gets which -----------------------------------------------------------------------------


def test_what_is_built_in_answers_until_something_is_activated(world: World) -> None:
    save(world.catalog, "support", "public")
    assert chosen(world.catalog, ADA) == "chat-en@1"
    assert (
        chosen(world.catalog, ADA, "chat-en")
        == chosen(world.catalog, ADA, "chat-en@1")
        == "chat-en@1"
    )
    assert chosen(world.catalog, ADA, "support@1") == "support@1", (
        "a version by its number needs no activation"
    )
    refusal(world.catalog, ADA, "support")
    refusal(world.catalog, ADA, "support@2")


def test_request_then_user_then_group_then_default(world: World) -> None:
    for name in ("house", "office", "mine", "wish"):
        save(world.catalog, name, "public")
    activate(world.catalog, "house@1", "default")
    activate(world.catalog, "office@1", "group:staff")
    activate(world.catalog, "mine@1", "user:ada")
    activate(world.catalog, "wish@1", "name")
    assert [chosen(world.catalog, who) for who in (ADA, BOB)] == ["mine@1", "house@1"]
    assert chosen(world.catalog, ADA, "wish") == "wish@1"
    world.catalog.templates.rollback("mine", audience="user:ada", by=TESTER)
    assert chosen(world.catalog, ADA) == "office@1", "ada is in hr, and hr is in staff"
    assert CatalogTemplates(world.catalog).choose(None, ADA, "chat", "zh").label == "chat-zh@1"
    assert (
        CatalogTemplates(world.catalog).choose(None, ADA, "completion", "en").label == "base-en@1"
    )
    with pytest.raises(NotFound):
        CatalogTemplates(world.catalog).choose("wish", ADA, "completion", "en")


def test_a_token_brings_groups_and_a_stranger_brings_none(world: World) -> None:
    save(world.catalog, "office", "group:guests")
    world.catalog.people.add_group("guests", external=True, by=TESTER)
    activate(world.catalog, "office@1", "group:guests")
    assert chosen(world.catalog, replace(EVE, groups=frozenset({"group:guests"}))) == "office@1"
    assert chosen(world.catalog, EVE) == "chat-en@1"
    assert (
        chosen(world.catalog, Principal(name="user:nobody", groups=frozenset({"group:guests"})))
        == "chat-en@1"
    )


def test_an_activation_and_a_rollback_hold_at_the_next_request_of_every_process(
    world: World,
) -> None:
    other = Catalog.open(world.settings.catalog_url)
    source = CatalogTemplates(other)
    save(world.catalog, "support", "public")
    save(world.catalog, "support", word="Two")
    seen = []
    for step in ("support@1", "support@2", None, None):
        if step:
            activate(world.catalog, step)
        else:
            world.catalog.templates.rollback("support", audience="default", by=TESTER)
        seen.append(source.choose(None, ADA, "chat", "en").label)
    assert seen == ["support@1", "support@2", "support@1", "chat-en@1"]
    with pytest.raises(NotFound, match="not active"):
        world.catalog.templates.rollback("support", audience="default", by=TESTER)
    world.catalog.templates.relabel("support", Readers(allow=frozenset({"group:eng"})), by=TESTER)
    assert source.choose("support@2", BOB, "chat", "en").label == "support@2"
    refusal(other, ADA, "support@2")
    world.catalog.people.remove_member("eng", "user:bob", by=TESTER)
    refusal(other, BOB, "support@2")
    other.close()


def test_activations_that_make_no_sense_are_refused(world: World) -> None:
    save(world.catalog, "support", "public")
    save(world.catalog, "other", "public")
    world.catalog.templates.save(
        "chinese", "chat", "zh", text("x"), Readers(allow=frozenset({"public"})), by=ROOT
    )
    for error, label, audience, more in (
        (NotFound, "support@2", "default", {}),
        (NotFound, "nothing@1", "default", {}),
        (NotFound, "support@1", "group:nobody", {}),
        (BadPrincipal, "support@1", "everybody", {}),
        (BadInput, "support@1", "default", {"candidate": "other@1"}),
        (BadInput, "support@1", "default", {"share": 0.5}),
        (BadInput, "support@1", "default", {"candidate": "other@1", "share": 1.5}),
        (BadInput, "support@1", "default", {"candidate": "other@1", "share": float("nan")}),
        (BadInput, "support@1", "default", {"candidate": "other", "share": 0.5}),
        (BadInput, "support@1", "default", {"candidate": "chinese@1", "share": 0.5}),
        (BadInput, "support@1", "name", {"candidate": "other@1", "share": 0.5}),
    ):
        with pytest.raises(error):
            activate(world.catalog, label, audience, **more)
    assert world.catalog.templates.activations() == []


def test_a_candidate_goes_to_a_stable_share_of_the_users(world: World) -> None:
    save(world.catalog, "support", "public")
    save(world.catalog, "support", word="Two")
    activate(world.catalog, "support@1", candidate="support@2", share=0.1)
    names = [f"person{n}" for n in range(2_000)]
    drawn = {name: draw_share(world.catalog.secret, f"user:{name}", "support") for name in names}
    got = sum(number < 0.1 for number in drawn.values())
    assert 150 <= got <= 250, got
    inside, outside = (
        min(drawn, key=lambda name: drawn[name]),
        max(drawn, key=lambda name: drawn[name]),
    )
    world.people(**{inside: [], outside: []})
    for _ in range(3):
        assert chosen(world.catalog, Principal(name=f"user:{inside}")) == "support@2"
        assert chosen(world.catalog, Principal(name=f"user:{outside}")) == "support@1"
    assert draw_share(b"another installation", f"user:{inside}", "support") != drawn[inside]
    other = [draw_share(world.catalog.secret, f"user:{name}", "other") < 0.1 for name in names]
    both = sum(
        mine and its for mine, its in zip([drawn[n] < 0.1 for n in names], other, strict=True)
    )
    assert both < 60, "another template has a share of its own"


# --- what is not for somebody does not exist for them -------------------------------------------

READERS = {  # name: (allow, deny, who may use it)
    "open": (("public",), (), {"ada", "bob", "eve"}),
    "people": (("group:staff",), (), {"ada"}),
    "machines": (("group:eng",), (), {"bob"}),
    "letter": (("user:eve",), (), {"eve"}),
    "verdict": (("public",), ("group:eng",), {"ada", "eve"}),
    "orphan": ((), ("user:ada",), set()),
}


def test_a_template_exists_for_its_readers_and_for_nobody_else(world: World) -> None:
    nowhere = {who: refusal(world.catalog, who, "nowhere") for who in (ADA, BOB, EVE)}
    for name, (allow, deny, _) in READERS.items():
        activate(world.catalog, save(world.catalog, name, *allow, deny=deny, word=name), "name")
    for name, (_, _, users) in READERS.items():
        for who in (ADA, BOB, EVE):
            for wish in (name, f"{name}@1"):
                if who.name.removeprefix("user:") in users:
                    assert chosen(world.catalog, who, wish) == f"{name}@1"
                else:
                    assert refusal(world.catalog, who, wish) == nowhere[who]


def test_activating_what_somebody_may_not_use_changes_nothing_for_them(world: World) -> None:
    save(world.catalog, "open", "public")
    save(world.catalog, "hidden", "group:eng")
    activate(world.catalog, "open@1", "default")
    for audience in ("default", "group:hr", "group:staff", "user:ada"):
        activate(world.catalog, "hidden@1", audience)
        assert chosen(world.catalog, ADA) == "open@1"
    assert chosen(world.catalog, BOB) == "hidden@1"
    activate(world.catalog, "open@1", "user:ada", candidate="hidden@1", share=1.0)
    assert chosen(world.catalog, ADA) == "open@1"


@pytest.mark.parametrize("gate", ["first", "second"])
def test_each_gate_alone_keeps_a_hidden_template_hidden(
    world: World, gate: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    activate(world.catalog, save(world.catalog, "hidden", "group:eng"), "default")
    activate(world.catalog, "hidden@1", "name")
    open_gate(gate, monkeypatch)
    assert chosen(world.catalog, ADA) == "chat-en@1"
    refusal(world.catalog, ADA, "hidden")
    refusal(world.catalog, ADA, "hidden@1")
    assert ("second gate" in caplog.text) == (gate == "first"), (
        "what only the second gate stops is an alarm"
    )


def test_with_both_gates_open_the_test_above_would_see_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate(world.catalog, save(world.catalog, "hidden", "group:eng"), "default")
    for gate in ("first", "second"):
        open_gate(gate, monkeypatch)
    assert chosen(world.catalog, ADA) == "hidden@1"


def open_gate(gate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if gate == "first":
        monkeypatch.setattr(
            template_choice, "readable_sets", lambda _connection, _principal, among: sorted(among)
        )
        return
    guarded = template_choice._READABLE_TEXT
    opened = guarded.with_only_columns(*guarded.selected_columns)
    opened._where_criteria = (guarded.whereclause.clauses[0],)  # type: ignore[union-attr]
    monkeypatch.setattr(template_choice, "_READABLE_TEXT", opened)


def test_only_the_guarded_statement_gives_text_to_who_asks() -> None:
    source = Path(template_choice.__file__).read_text(encoding="utf-8")
    choosing = source[source.index("def choose_for_asker") :]
    assert "_READABLE_TEXT" in choosing
    assert "VERSIONS" not in choosing
    source = Path(templates.__file__).read_text(encoding="utf-8")
    asking = source[
        source.index("# --- for who asks questions") : source.index("# --- for administrators")
    ]
    assert "VERSIONS" not in asking
    assert "execute(" not in asking


# --- in an answer -------------------------------------------------------------------------------


def answerer(world: World, found: Library, model: ScriptedModel) -> Answerer:
    limiter = Threads(1)
    return Answerer(
        found, model, world.settings, limiter, templates=CatalogTemplates(world.catalog)
    )


def answer(world: World, who: Principal, model: ScriptedModel, **ask: object) -> Answer:
    by = answerer(world, Library(hit("The harbour opens at six.")), model)
    return asyncio.run(by.answer(Ask(question="When does the harbour open?", **ask), who))  # type: ignore[arg-type]


def test_the_answer_names_the_version_and_the_model_is_told_by_it(world: World) -> None:
    activate(world.catalog, save(world.catalog, "support", "public", word="Heliotrope"))
    model = ScriptedModel("At six [1].")
    assert answer(world, ADA, model).template == "support@1"
    system = (model.calls[0].prompt.messages or ())[0].content
    assert system == "Heliotrope: Not there."
    said = answer(world, ADA, ScriptedModel("Not there."))
    assert (said.abstained, said.text) == (True, "Not there.")
    assert answer(world, ADA, model, template="chat-en").template == "chat-en@1"


def test_an_unknown_template_is_refused_whatever_the_search_finds(world: World) -> None:
    by = answerer(world, Library(), ScriptedModel())
    with pytest.raises(NotFound):
        asyncio.run(by.answer(Ask(question="q", template="nowhere"), ADA))


def test_built_in_names_are_taken() -> None:
    from service.templates.drafts import refuse_built_in_name

    for template in BUILT_IN:
        with pytest.raises(BadInput, match="comes with the service"):
            refuse_built_in_name(template.name)
