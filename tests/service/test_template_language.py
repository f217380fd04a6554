"""Templates that are wrong, or mean harm, are refused when they are saved, and could do nothing if
they were not.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import BadInput
from service.templates.drafts import Draft, read_draft
from service.templates.language import FILTERS, TIMES_SHOWN, VARIABLES, check_part, fill_template
from service.templates.template import BUILT_IN

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "templates" / "support-en.yaml"
LOOP = "{% for p in passages %}\n[{{ p.n }}] {{ p.text }}\n{% endfor %}"
USER = "{{ boundary }}\n" + LOOP + "\n{{ boundary }}\n{{ question }}"
DECLARED = ["question", "passages", "boundary", "no_answer"]


def draft(**changed: Any) -> Draft:
    given: dict[str, Any] = {
        "style": "chat", "language": "en", "variables": DECLARED, "system": "Or say: {{ no_answer }}", "user": USER,
        "no_answer": "Not there.",
    }  # fmt: skip
    return Draft.model_validate(given | changed)


def test_what_comes_with_the_service_and_the_example_pass_every_check() -> None:
    assert read_draft(EXAMPLE).build_text().no_answer == "I could not find that in our documents."
    assert draft().build_text()
    for built_in in BUILT_IN:
        shown = {
            name: getattr(built_in, name)
            for name in ("style", "language", "system", "user", "no_answer")
        }
        used = check_part("user", built_in.user, VARIABLES) | check_part(
            "system", built_in.system, VARIABLES
        )
        assert draft(**shown, stop=list(built_in.stop), variables=sorted(used)).build_text()


EXPRESSIONS = {
    "an undeclared variable": ("{{ salary }}", "`salary` is not declared"),
    "a variable that is known but not declared": ("{% for t in history %}x{% endfor %}", "`history` is not declared"),
    "an attribute that is not there": ("{% for p in passages %}{{ p.txt }}{% endfor %}", "no `txt`; it has n, title"),
    "a way to Python": ("{{ question.__class__ }}", "Nothing can be taken from `question`"),
    "a longer way to Python": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "Nothing can be called"),
    "a way to Python by index": ("{{ question['__class__'] }}", "`getitem` cannot be shown"),
    "a way to Python by a filter": ("{{ question|attr('__class__') }}", "takes nothing in brackets"),
    "a way to Python in a condition": ("{% if question.__class__ %}x{% endif %}", "Nothing can be taken"),
    "a way to Python from the loop": ("{% for p in passages %}{{ loop.__init__ }}{% endfor %}", "`loop` has no"),
    "jinja's own objects": ("{{ self }}", "`self` is not declared"),
    "cycler": ("{{ cycler.__init__.__globals__ }}", "Nothing can be taken"),
    "a call": ("{{ question.upper() }}", "Nothing can be called"),
    "a call of range": ("{% for x in range(10**9) %}x{% endfor %}", "A loop goes over passages or history"),
    "a product": ("{{ 'x' * 10**9 }}", "Nothing is computed"),
    "a power": ("{{ 9 ** 9 ** 9 }}", "Nothing is computed"),
    "a join": ("{{ question ~ question }}", "Nothing is computed"),
    "a format": ("{{ '%1000000000d' % 1 }}", "Nothing is computed"),
    "a filter that explodes": ("{{ question|center(10**9) }}", "takes nothing in brackets"),
    "an unknown filter": ("{{ question|tojson }}", "no filter `tojson`"),
    "a filter that jinja does not have": ("{{ question|boom }}", "no filter `boom`"),
    "a product in a condition": ("{% if 'x' * 10**9 %}x{% endif %}", "Nothing is computed"),
    "a test": ("{% if question is defined %}x{% endif %}", "cannot be shown"),
    "an order": ("{% if question < 1 %}x{% endif %}", "`==` or `!=`"),
    "a loop in a loop": ("{% for p in passages %}{% for q in passages %}x{% endfor %}{% endfor %}", "inside a loop"),
    "a recursive loop": ("{% for p in passages recursive %}{{ loop(passages) }}{% endfor %}", "A loop goes over"),
    "a loop over letters": ("{% for c in question %}x{% endfor %}", "A loop goes over"),
    "a name of its own": ("{% set x = 1 %}", "`assign` is not known"),
    "a macro": ("{% macro m() %}{{ m() }}{% endmacro %}", "`macro` is not known"),
    "an import": ("{% import 'os' as os %}", "`import` is not known"),
    "an inclusion": ("{% include '/etc/passwd' %}", "`include` is not known"),
    "an extension": ("{% extends 'x' %}", "`extends` is not known"),
    "a block that filters": ("{% filter upper %}x{% endfilter %}", "`filterblock` is not known"),
    "a list as it is": ("{{ passages }}", "is a list"),
    "an item that takes a name": ("{% for question in passages %}x{% endfor %}", "has a meaning already"),
    "an end that is missing": ("{% if question %}x", "Unexpected end of template"),
    "nonsense": ("{{ }}", "Expected an expression"),
    "an unknown tag": ("{% while true %}", "unknown tag"),
    "a condition without an else": ("{{ question if boundary }}", "cannot be shown"),
    "brackets without end": ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "nested too deeply"),
    "conditions without end": ("{% if question %}" * 500 + "{% endif %}" * 500, "nested too deeply"),
    "a chain without end": ("{% if " + " or ".join(["question"] * 800) + " %}x{% endif %}", "nested too deeply"),
    "a number without end": ("{% if question == " + "9" * 9_000 + " %}x{% endif %}", "number too long"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_bad_template_is_refused_when_it_is_saved_with_the_reason(name: str) -> None:
    source, why = EXPRESSIONS[name]
    started = time.monotonic()
    with pytest.raises(BadInput) as refused:
        draft(user=USER + source).build_text()
    assert time.monotonic() - started < 20
    assert why in str(refused.value)
    assert "In `user`: Line" in str(refused.value) or "nested too deeply" in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_bad_template_that_got_into_the_catalog_is_refused_when_it_is_used(name: str) -> None:
    source, _ = EXPRESSIONS[name]
    # history is not given
    given = {"question": "q", "boundary": "b", "passages": [{"n": 1}], "no_answer": "-"}
    with pytest.raises(BadInput):
        fill_template(source, given)


FRAMES: dict[str, tuple[dict[str, Any], str]] = {
    "no passages": (
        {"user": "{{ boundary }}{{ question }}{{ boundary }}", "variables": DECLARED},
        "nothing uses",
    ),
    "passages twice": ({"user": USER + LOOP}, "exactly one loop"),
    "passages only if": (
        {"user": USER.replace(LOOP, "{% if question %}" + LOOP + "{% endif %}")},
        "exactly one loop",
    ),
    "more passages outside": (
        {"user": USER + "{% if question %}" + LOOP + "{% endif %}"},
        "exactly one loop",
    ),
    "no number": ({"user": USER.replace("p.n", "p.title")}, "without its number or its text"),
    "no text": ({"user": USER.replace("p.text", "p.title")}, "without its number or its text"),
    "no boundary after": ({"user": "{{ boundary }}\n" + LOOP + "\n{{ question }}"}, "boundary"),
    "a boundary within a line": (
        {"user": USER.replace("{{ boundary }}\n{%", "- {{ boundary }}\n{%")},
        "boundary",
    ),
    "a boundary only if": (
        {
            "user": "{% if question %}{{ boundary }}{% endif %}\n"
            + LOOP
            + "\n{{ boundary }}\n{{ question }}"
        },
        "boundary",
    ),
    "a boundary in the loop": (
        {"user": USER.replace("[{{ p.n }}]", "{{ boundary }}\n[{{ p.n }}]")},
        "between passages",
    ),
    "no question": (
        {"user": USER.replace("{{ question }}", "{% if boundary %}{{ question }}{% endif %}")},
        "question",
    ),
    "passages in the system part": (
        {"system": "{{ no_answer }}" + LOOP},
        "`passages` is not declared here",
    ),
    "the boundary in the system part": (
        {"system": "{{ no_answer }}{{ boundary }}"},
        "`boundary` is not declared here",
    ),
    "the question in the system part": (
        {"system": "{{ no_answer }}{{ question }}"},
        "`question` is not declared here",
    ),
    "no way to abstain": ({"system": "Answer.", "variables": DECLARED[:3]}, "not told what to say"),
    "an answer of signs": ({"no_answer": "..."}, "not one sentence"),
    "an answer of two lines": ({"no_answer": "Not\nthere"}, "not one sentence"),
    "no instructions": ({"system": " ", "user": USER + "{{ no_answer }}"}, "`system` part"),
    "instructions for a base model": ({"style": "completion"}, "`system` part"),
    "a declaration too many": (
        {"variables": [*DECLARED, "history"]},
        "declares history, which nothing uses",
    ),
    "a passage over and over": (
        {"user": USER.replace("{{ p.text }}", "{{ p.text }}" * 40)},
        "3 times what it is given",
    ),
    "a passage twice": (
        {"user": USER.replace("{{ p.text }}", "{{ p.text }}\n{{ p.text }}")},
        "shown twice",
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_passages_stand_between_boundaries_in_the_user_part_and_nowhere_else(name: str) -> None:
    changed, why = FRAMES[name]
    with pytest.raises(BadInput) as refused:
        draft(**changed).build_text()
    assert why in str(refused.value)
    assert refused.value.remedy


def test_a_file_that_is_no_template_is_refused(tmp_path: Path) -> None:
    aliases = b"a: &a [x, x]\nb: &b [*a, *a]\nstop: [*b, *b]"
    python = b"!!python/object/apply:os.system [true]"
    deep = b"x: " + b"[" * 2_000
    for content in (
        b"- a",
        b"a: [",
        b"\xff\xfe\x00",
        b"style: chat",
        deep,
        b"a" * 200_000,
        b"",
        aliases,
        python,
    ):
        file = tmp_path / "t.yaml"
        file.write_bytes(content)
        with pytest.raises(BadInput) as refused:
            read_draft(file)
        assert refused.value.remedy
    with pytest.raises(BadInput):
        read_draft(tmp_path / "missing.yaml")


PARTS = st.sampled_from((
    "text ", "{{ question }}", "{{ boundary }}", "{{ question|upper }}", "{% if passages %}", "{% if p.place == 'a' %}",
    "{% else %}", "{% endif %}", "{% for p in passages %}", "{% for t in history %}", "{% endfor %}", "{{ p.text }}",
    "{{ t.text|trim }}", "{{ loop.index }}", "{{ p.text if loop.last else t.role }}", "{% raw %}", "{% endraw %}", "\n",
))  # fmt: skip


@given(st.lists(PARTS, max_size=30).map("".join), st.integers(0, 40), st.integers(0, 5))
def test_whatever_passes_the_check_ends_and_stays_in_proportion(
    source: str, passages: int, turns: int
) -> None:
    try:
        check_part("user", source, VARIABLES)
    except BadInput:
        return
    text = "words " * 20
    given = {
        "question": text, "boundary": "mark", "no_answer": "no",
        "passages": [{"n": n, "title": "T", "place": "", "text": text, "line": text} for n in range(passages)],
        "history": [{"role": "user", "text": text}] * turns,
    }  # fmt: skip
    most = len(source) * (1 + max(passages, turns)) + TIMES_SHOWN * len(text) * (
        2 * passages + turns + 2
    )
    with suppress(BadInput):  # it shows everything more than three times
        assert len(fill_template(source, given)) <= most


def test_every_filter_there_is_takes_any_value() -> None:
    for name in FILTERS:
        assert fill_template("{{ question|" + name + " }}{% for p in passages %}{{ p.n|" + name + " }}{% endfor %}",
                    {"question": "ﬁΐß", "passages": [{"n": 1}]})  # fmt: skip
