"""Every address is tried by the attacks, or is named as one for operators; and those tell no text
and no titles.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from indexes.scopes import ASK
from service.http import auth
from service.http.bodies import AskBody, FiltersBody
from service.leaktest.comparing import ObservedReply, find_words, make_comparable
from service.leaktest.doors import (
    OPERATORS,
    WRITERS,
    Call,
    Knowledge,
    make_calls,
    make_operator_calls,
)
from tests.attack.hidden import CANARY, Change, without_what_operators_go_by
from tests.attack.twins import twins

TRIED = {call.route for call in make_calls(Knowledge(questions=("a",)))}
NO_ROUTES = {"GET /search", "GET /nothing"}  # what the attacks try although it is not there
OPEN_TO_PEOPLE = "zqopenx8"  # stands in a document that administrators may read as everybody may


def routes(app: Any) -> set[str]:
    def walk(found: Any) -> Iterator[str]:
        for route in found:
            if hasattr(route, "original_router"):
                yield from walk(route.original_router.routes)
            else:
                yield from (f"{method} {route.path}" for method in route.methods or ())

    return set(walk(app.routes))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with twins(tmp_path_factory.mktemp("doors"), 1) as made:
        yield made


def test_every_route_is_attacked_or_is_for_operators(pair: Any) -> None:
    there = routes(pair.still.app)
    assert there - OPERATORS == TRIED - NO_ROUTES
    assert there >= OPERATORS


def test_routes_for_operators_need_the_scope_or_tell_nothing_of_the_corpus() -> None:
    for route in OPERATORS | WRITERS:
        method, _, path = route.partition(" ")
        assert auth.required_scope(method, path) != ASK, route


def test_no_two_doors_share_a_name() -> None:
    names = [
        call.door
        for call in make_calls(Knowledge(questions=("a", "b"), models=("m",), documents=("d",)))
    ]
    assert len(names) == len(set(names))


def test_no_route_for_operators_returns_text_or_titles(pair: Any) -> None:
    """Neither of what the administrator may read nor of anything else; and nothing of it in an
    error.
    """
    world, key = pair.changed.world, pair.keys["root"]
    world.put(
        "open",
        f"{OPEN_TO_PEOPLE} text",
        "public",
        title=f"{OPEN_TO_PEOPLE} title",
        path=f"{OPEN_TO_PEOPLE}.txt",
    )
    for n in range(6):
        Change("put", n, random.Random(n).getrandbits(32)).made_in(world)
    known = [OPEN_TO_PEOPLE, CANARY, *pair.hidden_ids]
    for call in make_operator_calls("plain", "scripted"):
        answered = pair.changed.answer(call, key)
        assert answered.status < 500, call.door
        said = answered.body + repr(answered.headers).encode()
        told = find_words(without_what_operators_go_by(call.route, said), known)
        if call.route == "GET /admin/audit/events":  # a record tells of documents by their ids
            told = [word for word in told if word not in pair.hidden_ids]
        assert told == [], call.door


def test_the_comparison_lets_only_chance_differ() -> None:
    body = (
        b'{"answer_id":"AAAAAAAAAAAAAAAAAAAAAA","timings":{"total_ms":1.0},"view_id":"v","position":"AAAA",'
        b'"score":0.5,"instance":"00000000000000000000000000000000"}'
    )
    headers = {
        "x-request-id": "0" * 32,
        "date": "today",
        "etag": '"1"',
        "content-length": str(len(body)),
    }
    one = make_comparable(ObservedReply(200, headers, body))

    def again(old: bytes = b"", new: bytes = b"", changed: dict[str, str] | None = None) -> bytes:
        other = body.replace(old, new)
        said = {**headers, "content-length": str(len(other)), **(changed or {})}
        return make_comparable(ObservedReply(200, said, other))

    assert again(b"AAAAAAAAAAAAAAAAAAAAAA", b"BBBBBBBBBBBBBBBBBBBBBB") == one
    assert again(b"1.0}", b"2.25}") == one
    assert again(b'"position":"AAAA"', b'"position":"BBBB"') == one
    assert again(changed={"x-request-id": "1" * 32, "date": "tomorrow"}) == one
    assert again(b'"position":"AAAA"', b'"position":"BBBBB"') != one, "a longer position"
    assert again(b"0.5", b"0.6") != one
    assert again(b'"v"', b'"w"') != one
    assert again(changed={"etag": '"2"'}) != one
    assert again(changed={"x-request-id": "17"}) != one, "an id that counts"
    assert again(changed={"x-hits": "3"}) != one
    assert again(changed={"content-length": "1"}) != one


def test_a_word_is_found_however_it_is_written() -> None:
    assert find_words(b"... ZQCanaryX7 ...", ["zqcanaryx7"])
    assert find_words("…预算…".encode(), ["预算"])
    assert find_words(rb"\u9884\u7b97", ["预算"])
    assert not find_words(b"zqcanary", ["zqcanaryx7"])


def test_the_doors_reach_every_mode_filter_stream_and_error() -> None:
    made: list[Call] = list(make_calls(Knowledge(questions=("a",))))
    bodies = [call.body for call in made if isinstance(call.body, dict)]
    assert {body.get("mode") for body in bodies} >= {"hybrid", "dense", "keyword"}
    fields = {name for body in bodies for name in (body.get("filters") or {})}
    assert fields == set(FiltersBody.model_fields), "a filter that nothing attacks"
    assert {name for body in bodies for name in body} >= set(AskBody.model_fields), (
        "a field that nothing attacks"
    )
    assert {
        call.route for call in made if isinstance(call.body, dict) and call.body.get("stream")
    } == {
        "POST /ask",
        "POST /v1/chat/completions",
        "POST /v1/responses",
    }
