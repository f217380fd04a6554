"""Filters look only at what the asker may read, whatever callers ask for and whatever hidden
documents hold.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from indexes.catalog import migrations
from indexes.catalog.access import asker_parameters
from indexes.catalog.filters import Filters, statement_of, values_of
from indexes.errors import BadFilter, BadInput, ClearanceError, NotFound
from indexes.model import Principal, Readers
from tests.databases import examples
from tests.world import TESTER, World, as_bytes

ADA = Principal(name="user:ada")
BOB_SMITH = {"author": "Bob Smith", "a": "x", 'a"b': "1", "year": "not a year", "n": 1e300}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A little that ada may read; what is hidden from her is added by the tests."""
    world = World(tmp_path_factory.mktemp("office") / "home")
    world.people(ada=["hr"], bob=["board"])
    world.put(
        "pay",
        "Salaries rise in May",
        "group:hr",
        metadata={"year": 2024, "draft": True, "author": "Ada"},
    )
    world.put(
        "plan",
        "Plans for May",
        "group:hr",
        collection="plans",
        metadata={"year": 2024.5, "count": 1},
    )
    world.put(
        "menu", "Soup in May", "public", language="en", modified_at=datetime(2024, 5, 1, tzinfo=UTC)
    )
    yield world
    world.close()


def outcome(world: World, **filters: Any) -> object:
    """What ada gets, an error included, to the byte."""
    try:
        return as_bytes(world.search("ada", "May", mode="keyword", filters=Filters(**filters)))
    except ClearanceError as error:
        return type(error), str(error)


def titles(world: World, **filters: Any) -> list[str]:
    return sorted(world.titles("ada", "May", filters=Filters(**filters)))


# --- nothing of a hidden document is looked at --------------------------------------------------


@pytest.mark.parametrize(
    "key", ["a\\", 'a"', "a'", "$", "$.a", "a.b", "[0]", '"', "\\u0000", "{a,b}", "#-1", " ", "é"]
)
@pytest.mark.parametrize("value", [1, 1.5, True, "x"])
def test_no_key_can_fail_on_a_hidden_document(office: World, key: str, value: Any) -> None:
    before = outcome(office, path_prefix="mix/", metadata={key: value})
    office.put("mix/hidden", "May", "group:board", metadata=BOB_SMITH | {key: "other"})
    assert outcome(office, path_prefix="mix/", metadata={key: value}) == before
    office.catalog.documents.delete("mix/hidden", by=TESTER)


@pytest.mark.parametrize("key", sorted(BOB_SMITH))
@pytest.mark.parametrize("value", [1, 2**53, 1.5, True, "1"])
def test_a_hidden_value_of_another_kind_fails_nothing(office: World, key: str, value: Any) -> None:
    before = outcome(office, metadata={key: value})
    office.put("hidden", "May", "group:board", metadata=BOB_SMITH)
    assert outcome(office, metadata={key: value}) == before
    office.catalog.documents.delete("hidden", by=TESTER)


keys = st.sampled_from(
    ["a", "a\\", "author", "year", "draft", "count", "工资", "$.a", '"']
) | st.text(max_size=5)
values = (
    st.sampled_from(
        [1, 1.0, True, "1", "true", "Bob Smith", "", 2024, 2**53, 2**63 - 1, -0.0, 1e300]
    )
    | st.text(max_size=5)
    | st.floats()
    | st.integers()
)
letters = st.sampled_from(
    ["a", "mix/", "default", "plans", "en", "text/plain", "%", "\0", "\ud800", ""]
)
moments = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=23)), timezone(-timedelta(hours=23))])
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "collection": letters,
        "path_prefix": letters,
        "media_types": st.lists(letters, max_size=2).map(tuple),
        "language": letters,
        "modified_after": moments,
        "modified_before": moments,
        "metadata": st.dictionaries(keys, values, max_size=3),
    },
)
stored = st.fixed_dictionaries(
    {"path": letters, "collection": letters, "metadata": st.dictionaries(keys, values, max_size=4)},
    optional={"language": letters, "media_type": letters, "modified_at": moments},
)


@settings(
    max_examples=examples(80),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    hidden=st.lists(stored, min_size=1, max_size=3), asked=st.lists(filters, min_size=1, max_size=6)
)
@example(
    hidden=[{"path": "mix/a", "collection": "a", "metadata": {"a": "1"}}],
    asked=[{"metadata": {"a\\": 1}}],
)
def test_hidden_documents_change_no_byte_and_no_error_of_a_filtered_search(
    office: World, hidden: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    before = [outcome(office, **one) for one in asked]
    for number, fields in enumerate(hidden):
        try:
            office.put(f"hidden{number}", "May May", "group:board", **fields)
        except BadInput:
            continue  # what cannot be asked for cannot be stored, either
    assert [outcome(office, **one) for one in asked] == before


# --- gate first, then filter: in the plan, too --------------------------------------------------


def plan(world: World, wanted: Filters) -> list[str]:
    """The database's own words on how it will look for these, one step a line."""
    database = world.catalog._database
    with database.reading() as connection:
        worded = (
            statement_of(wanted)
            .statement.compile(dialect=connection.dialect)
            .construct_expanded_state({**asker_parameters(ADA), **values_of(connection, wanted)})
        )
        if database.is_sqlite:
            values = [worded.parameters[name] for name in worded.positiontup or ()]
            shown = connection.connection.cursor().execute(
                f"EXPLAIN QUERY PLAN {worded.statement}", values
            )
            return [row[3] for row in shown.fetchall()]
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN (VERBOSE) {worded.statement}", worded.parameters)
        return [row[0] for row in cursor.fetchall()]


EVERYTHING = Filters(
    collection="plans",
    path_prefix="mix/",
    media_types=("text/plain",),
    language="en",
    modified_after=datetime(2020, 1, 1, tzinfo=UTC),
    metadata={"author": "Bob Smith", "year": 1},
)


def test_conditions_are_tried_on_what_the_gate_has_let_through_and_on_nothing_else(
    office: World,
) -> None:
    steps = plan(office, EVERYTHING)
    if office.catalog._database.is_sqlite:
        assert "SEARCH documents USING INDEX ix_documents_reader_set_id (reader_set_id=?)" in steps
        assert steps.index("MATERIALIZE readable") < steps.index("SCAN readable")
        assert [step for step in steps if "documents" in step and "readable" not in step][1:] == []
        return
    tried = [number for number, step in enumerate(steps) if "Filter:" in step and "path" in step]
    assert len(tried) == 1
    assert "CTE Scan on readable" in steps[tried[0] - 2]
    reads = [number for number, step in enumerate(steps) if "on public.documents" in step]
    assert len(reads) == 1
    following = steps[reads[0] + 1 : reads[0] + 4]
    assert not [
        step
        for step in following
        if "Filter:" in step or ("Cond:" in step and "reader_set_id" not in step)
    ]


# --- what a filter means ------------------------------------------------------------------------


def test_metadata_is_compared_as_what_it_was_stored_as(office: World) -> None:
    assert (
        titles(office, metadata={"year": 2024})
        == titles(office, metadata={"year": 2024.0})
        == ["pay"]
    )
    assert titles(office, metadata={"year": 2024.5}) == ["plan"]
    assert titles(office, metadata={"draft": True}) == ["pay"]
    assert titles(office, metadata={"count": 1}) == ["plan"]
    for other in (
        {"year": "2024"},
        {"draft": 1},
        {"draft": "true"},
        {"count": True},
        {"author": "ada"},
    ):
        assert titles(office, metadata=other) == []
    assert titles(office, metadata={"year": 2024, "draft": True, "author": "Ada"}) == ["pay"]
    assert titles(office, metadata={"year": 2024, "draft": False}) == []


def test_the_years_one_and_9999_can_be_asked_for(office: World) -> None:
    assert titles(office, modified_after=datetime.min.replace(tzinfo=UTC)) == ["menu"]
    assert titles(office, modified_before=datetime.max.replace(tzinfo=UTC)) == ["menu"]


REFUSED: dict[str, dict[str, Any]] = {
    "NUL in a collection": {"collection": "a\0"},
    "NUL in a path": {"path_prefix": "\0"},
    "NUL in a language": {"language": "e\0"},
    "NUL in a media type": {"media_types": ("a\0",)},
    "NUL in a key": {"metadata": {"a\0": 1}},
    "NUL in a value": {"metadata": {"a": "\0"}},
    "half a character": {"collection": "\ud800"},
    "half a character in a key": {"metadata": {"\udfff": 1}},
    "half a character in a value": {"metadata": {"a": "\udfff"}},
    "an empty key": {"metadata": {"": 1}},
    "a long key": {"metadata": {"k" * 1_025: 1}},
    "a long value": {"metadata": {"k": "v" * 10_001}},
    "a list": {"metadata": {"k": ["v"]}},
    "nothing": {"metadata": {"k": None}},
    "no number": {"metadata": {"k": float("nan")}},
    "no end": {"metadata": {"k": float("-inf")}},
    "a number that JSON rounds": {"metadata": {"k": 2**53 + 1}},
    "the largest of 64 bits": {"metadata": {"k": 2**63 - 1}},
    "more than 64 bits": {"metadata": {"k": -(2**64)}},
    "many keys": {"metadata": {str(n): n for n in range(21)}},
    "many media types": {"media_types": ("a/b",) * 51},
    "a long collection": {"collection": "c" * 256},
    "before the first year": {
        "modified_after": datetime.min.replace(tzinfo=timezone(timedelta(hours=23, minutes=59)))
    },
    "after the last year": {
        "modified_before": datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_database_could_compare_is_refused_at_the_door(name: str) -> None:
    with pytest.raises(BadFilter):
        Filters(**REFUSED[name])


NOT_STORED: dict[str, dict[str, Any]] = {
    **{
        name: REFUSED[name]
        for name in REFUSED
        if "metadata" in REFUSED[name] and name != "many keys"
    },
    "many keys": {"metadata": {str(n): n for n in range(201)}},
    "NUL in a path": {"path": "a\0"},
    "NUL in a title": {"title": "a\0"},
    "half a character in a path": {"path": "a\ud800"},
    "a long collection": {"collection": "c" * 256},
    "no collection": {"collection": ""},
    "a long language": {"language": "e" * 17},
    "a time without a zone": {"modified_at": datetime(2024, 1, 1)},
    "a time before the first year": {
        "modified_at": REFUSED["before the first year"]["modified_after"]
    },
}


@pytest.mark.parametrize("name", NOT_STORED)
def test_what_could_not_be_asked_for_is_not_stored(office: World, name: str) -> None:
    with pytest.raises(BadInput):
        office.put("strange", "May", "group:hr", **NOT_STORED[name])
    assert "strange" not in office.titles("ada", "May")


@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(fields=stored)
def test_whatever_is_stored_can_be_asked_for(office: World, fields: dict[str, Any]) -> None:
    try:
        office.put("own", "May", "group:hr", **fields)
    except BadInput:
        return
    asked = {
        "collection": fields["collection"],
        "path_prefix": fields["path"],
        "metadata": fields["metadata"],
    }
    assert titles(office, **asked) == ["own"]
    office.catalog.documents.delete("own", by=TESTER)


# --- catalogs of before -------------------------------------------------------------------------


def test_a_catalog_of_before_is_filtered_as_one_of_today(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    world.people(ada=["hr"])
    world.put(
        "pay", "May", "group:hr", metadata={"year": 2024, "draft": True, "工资": "a b", "x": 0.1}
    )
    world.put("plain", "May", "group:hr")
    with world.catalog._database.writing(TESTER) as connection:
        digests = text("SELECT metadata_digests FROM documents ORDER BY id")
        before = connection.scalars(digests).all()
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        connection.execute(text("DROP INDEX ix_documents_public_id_reader_set_id"))
        connection.execute(text("ALTER TABLE documents DROP COLUMN metadata_digests"))
        config.attributes["connection"] = connection
        command.stamp(config, "0006")
    with world.catalog._database.writing(TESTER) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        command.stamp(config, "head")
        assert connection.scalars(digests).all() == before
        assert before[0].count(" ") == 3
    assert titles(world, metadata={"year": 2024, "draft": True, "工资": "a b", "x": 0.1}) == ["pay"]
    world.close()


# --- names that reach a statement, too ----------------------------------------------------------


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 1_000, "a'b", "%"])
def test_a_name_that_no_database_takes_is_like_one_that_is_not_there(
    office: World, name: str
) -> None:
    templates, models = office.catalog.templates, office.catalog.models
    reads = (
        lambda: templates.versions(name),
        lambda: templates.relabel(name, Readers(allow=frozenset()), by=TESTER),
        lambda: templates.activate(name, 1, by=TESTER),
        lambda: templates.rollback(name, by=TESTER),
        lambda: models.clear(name, by=TESTER),
        lambda: office.searcher.document(name, ADA),
        lambda: office.searcher.passage_with_document(name, ADA),
    )
    for read in reads:
        with pytest.raises(NotFound):
            read()
