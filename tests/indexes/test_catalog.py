from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import bindparam, inspect, literal, select

from indexes.catalog import Catalog
from indexes.catalog.database import Database
from indexes.catalog.migrate import migrate, newest_revision
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import metadata
from indexes.catalog.sqlite_driver import SqliteDriver, check_sqlite
from indexes.errors import (
    AlreadyExists,
    BadConfiguration,
    BadInput,
    BadPrincipal,
    Busy,
    ModelMismatch,
    NotAuthenticated,
    NotFound,
    SchemaMismatch,
    UnsafeDatabase,
)
from indexes.model import Principal, Readers
from indexes.principals import check_principal
from tests.databases import catalog_at, only_sqlite, sqlite
from tests.world import TESTER, World, document

ADA = Principal(name="user:ada")


def test_migrations_lead_to_exactly_the_schema_that_the_code_uses(tmp_path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    database = Database(catalog_at(tmp_path) or f"sqlite:///{tmp_path}/c.sqlite")
    migrate(database)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
        assert MigrationContext.configure(connection).get_current_revision() == newest_revision()
    database.close()


def test_a_catalog_of_a_newer_version_is_refused_and_left_alone(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/c.sqlite"
    Catalog.open(url).close()
    with sqlite.connect(str(tmp_path / "c.sqlite")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch):
        Catalog.open(url)


def test_a_sqlite_with_the_corruption_bug_is_refused() -> None:
    with pytest.raises(UnsafeDatabase):
        check_sqlite(SqliteDriver(sqlite, (3, 51, 2)))
    check_sqlite(SqliteDriver(sqlite, (3, 51, 3)))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_a_database_that_cannot_hold_the_truth_is_refused(url: str) -> None:
    with pytest.raises(BadConfiguration):
        Database(url)


@only_sqlite
def test_acknowledged_writes_are_synced_and_survive_in_a_write_ahead_log(world: World) -> None:
    with world.catalog._database.reading() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys")
        }
    assert pragma == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}


def test_row_ids_are_never_used_twice_and_public_ids_say_nothing(world: World) -> None:
    world.people(ada=[])
    first = world.put("a", "one", "public")
    row = world.search("ada", "one").hits[0].row
    world.catalog.documents.delete("a", by=TESTER)
    second = world.put("a", "one", "public")
    hit = world.search("ada", "one").hits[0]
    assert hit.row > row
    assert len({first, second, hit.id}) == 3
    assert all(len(public) >= 20 for public in (first, second, hit.id))


def test_a_replacement_keeps_the_documents_id_and_leaves_nothing_of_the_old_text(
    world: World,
) -> None:
    world.people(ada=[])
    first = world.put("a", ["old canary", "old too"], "public")
    assert world.put("a", "new text", "public") == first
    assert world.titles("ada", "canary", mode="keyword") == []
    assert world.searcher.document(first, ADA).text == "new text"


def test_a_failing_write_leaves_the_former_state_whole(world: World) -> None:
    world.people(ada=[])
    world.put("a", "before", "public")
    broken = document("a", ["after", "after"], ["public"])
    generation = world.catalog.generations.active()
    assert generation is not None
    with pytest.raises(BadInput):
        world.catalog.documents.put(
            broken,
            {generation.id: world.embedder.passages(["one vector for two chunks"])},
            by=TESTER,
        )
    assert [hit.text for hit in world.search("ada", "before").hits] == ["before"]


def test_vectors_that_are_not_numbers_or_not_of_unit_length_are_refused(world: World) -> None:
    generation = world.catalog.generations.active()
    assert generation is not None
    good = world.embedder.passages(["x"])
    for bad in (good * float("nan"), good * 2, good * 0):
        with pytest.raises(BadInput):
            world.catalog.documents.put(
                document("a", "x", ["public"]), {generation.id: bad}, by=TESTER
            )


def test_a_document_without_vectors_of_every_generation_is_refused(world: World) -> None:
    with pytest.raises(ModelMismatch):
        world.catalog.documents.put(document("a", "x", ["public"]), {}, by=TESTER)


def test_another_embedding_model_is_refused_with_what_to_do(world: World) -> None:
    with pytest.raises(ModelMismatch) as caught:
        world.catalog.generations.ensure("other", "f" * 64, 64, by=TESTER)
    assert "clearance rebuild" in (caught.value.remedy or "")


def test_readers_are_told_apart_by_who_they_are_not_by_spelling(world: World) -> None:
    world.catalog.people.add_group("b", by=TESTER)
    world.put("a", "x", "group:b", "group:a")
    world.put("b", "x", "group:a", "group:b")
    world.put("c", "x", "group:a", deny=["group:b"])
    placed = {
        p.document_id: p.reader_set
        for p in world.searcher.corpus.held.build_beside().placements.all()
    }
    assert placed[1] == placed[2] != placed[3]


def test_deny_beats_allow_through_any_depth_of_groups(world: World) -> None:
    world.people(ada=["inner"], bob=[])
    for group in ("middle", "outer"):
        world.catalog.people.add_group(group, by=TESTER)
    world.catalog.people.add_member("middle", "group:inner", by=TESTER)
    world.catalog.people.add_member("outer", "group:middle", by=TESTER)
    world.catalog.people.add_member("inner", "group:outer", by=TESTER)  # a cycle
    world.put("a", "canary", "group:outer")
    world.put("b", "canary two", "public", deny=["group:outer"])
    assert world.titles("ada", "canary", mode="keyword") == ["a"]
    assert world.titles("bob", "canary", mode="keyword") == ["b"]


def test_a_document_without_readers_is_readable_by_nobody(world: World) -> None:
    world.people(ada=[])
    world.put("a", "canary")
    assert world.titles("ada", "canary") == []


def test_groups_of_a_token_count_for_that_request_and_may_only_be_groups(world: World) -> None:
    world.people(ada=[])
    world.catalog.people.add_group("idp", external=True, by=TESTER)
    world.put("a", "canary", "group:idp")
    world.put("b", "canary", "user:bob")
    with_token = Principal(name="user:ada", groups=frozenset({"group:idp"}))
    assert [h.title for h in world.searcher.search("canary", with_token, 5).hits] == ["a"]
    assert world.titles("ada", "canary") == []
    with pytest.raises(BadPrincipal):
        world.searcher.search(
            "canary", Principal(name="user:ada", groups=frozenset({"user:bob"})), 5
        )


def test_a_token_with_too_many_groups_is_refused_not_cut(world: World) -> None:
    world.people(ada=[])
    crowd = Principal(name="user:ada", groups=frozenset(f"group:{n}" for n in range(100_000)))
    with pytest.raises(BadPrincipal):
        world.searcher.search("x", crowd, 5)
    many = Principal(name="user:ada", groups=frozenset(f"group:{n}" for n in range(10_000)))
    world.put("a", "canary", "group:9999")
    world.catalog.people.add_group("9999", external=True, by=TESTER)
    assert [h.title for h in world.searcher.search("canary", many, 5).hits] == ["a"]


@pytest.mark.parametrize(
    "name",
    [
        "ada",
        "",
        "user:",
        "robot:x",
        "user:a\0b",
        "user: ada",
        "user:a‮b",
        "user:a#b",
        "user:" + "x" * 10_000,
    ],
)
def test_a_name_that_cannot_be_a_principal_is_refused(name: str) -> None:
    with pytest.raises(BadPrincipal):
        check_principal(name)


@pytest.mark.parametrize("name", ["user:o'brien\"; --", "group:a/b c", "user:李雷", "group:x%_]"])
def test_odd_names_are_only_names(name: str, world: World) -> None:
    world.catalog.people.add_user("mallory", by=TESTER)
    world.put("secret", "canary", name)
    world.put("other", "canary two", "user:someone")
    assert world.titles("mallory", "canary") == []
    if name.startswith("user:"):
        world.catalog.people.add_user(name, by=TESTER)
        found = world.searcher.search("canary", Principal(name=name), 5)
        assert [hit.title for hit in found.hits] == ["secret"]


def test_look_alike_names_are_different_principals(world: World) -> None:
    world.catalog.people.add_user("ada", by=TESTER)
    world.put("secret", "canary", "user:ada")
    assert world.searcher.search("canary", Principal(name="user:аda"), 5).hits == ()


def test_a_key_is_valid_until_it_is_revoked_expires_or_its_user_goes(world: World) -> None:
    from datetime import UTC, datetime, timedelta

    people, keys = world.catalog.people, world.catalog.keys
    people.add_user("ada", by=TESTER)
    kept, revoked = keys.issue("ada", scopes=["admin"], by=TESTER), keys.issue("ada", by=TESTER)
    expired = keys.issue("ada", expires_at=datetime.now(UTC) - timedelta(seconds=1), by=TESTER)
    known = keys.authenticate(kept.secret)
    assert (known.name, known.key, known.scopes) == ("user:ada", kept.id, frozenset({"admin"}))
    keys.revoke(revoked.id, by=TESTER)
    wrong = kept.secret[:-1] + ("A" if kept.secret[-1] != "A" else "B")
    for secret in (
        None,
        "",
        "x",
        "clr_ \n",
        wrong,
        revoked.secret,
        expired.secret,
        kept.secret + "\n",
    ):
        with pytest.raises(NotAuthenticated):
            keys.authenticate(secret)
    people.remove_user("ada", by=TESTER)
    with pytest.raises(NotAuthenticated):
        keys.authenticate(kept.secret)


@only_sqlite
def test_no_usable_key_lies_in_the_database(world: World) -> None:
    world.catalog.people.add_user("ada", by=TESTER)
    secret = world.catalog.keys.issue("ada", by=TESTER).secret.split("_", 2)[2]
    files = [path.read_bytes() for path in world.home.glob("catalog.sqlite*")]
    assert len(secret) == 43
    assert not any(secret.encode() in content for content in files)


def test_unknown_people_are_not_members_and_names_are_taken_once(world: World) -> None:
    world.catalog.people.add_user("ada", by=TESTER)
    with pytest.raises(AlreadyExists):
        world.catalog.people.add_user("ada", by=TESTER)
    with pytest.raises(NotFound):
        world.catalog.people.add_member("nobody", "user:ada", by=TESTER)


def test_a_job_is_done_once_and_a_worker_that_lost_its_lease_cannot_finish_it(world: World) -> None:
    jobs = world.catalog.jobs
    queued = jobs.enqueue("ingest", {"path": "x"}, by=TESTER)
    lost = jobs.claim(["ingest"], lease_s=-1, by=TESTER)
    taken = jobs.claim(["ingest"], lease_s=60, by=TESTER)
    assert lost is not None
    assert taken is not None
    assert taken.id == queued.id
    assert jobs.claim(["ingest"], lease_s=60, by=TESTER) is None
    with pytest.raises(Busy):
        jobs.finish(lost, {}, by=TESTER)
    jobs.finish(taken, {"documents": 1}, by=TESTER)
    assert jobs.get(queued.id).state == "done"


def test_a_lock_that_the_driver_meets_in_a_prepared_statement_is_told_as_busy(world: World) -> None:
    database = world.catalog._database
    driver: Any = database.engine.dialect.dbapi
    cursor = Mock(**{"execute.side_effect": driver.OperationalError("database is locked")})
    locked = Mock(dialect=database.engine.dialect, connection=Mock(cursor=lambda: cursor))
    with pytest.raises(Busy), database.reading():
        Prepared(select(literal(1))).rows(locked, {})
    cursor.close.assert_called_once()


def test_relabelling_touches_no_row(world: World) -> None:
    world.people(ada=["hr"])
    world.put("a", "canary", "group:hr")
    before = world.search("ada", "canary").hits
    world.catalog.documents.relabel("a", Readers(allow=frozenset({"user:ada"})), by=TESTER)
    assert world.search("ada", "canary").hits == before


def test_a_model_without_a_rule_is_everybodys_and_one_with_a_rule_its_readers(world: World) -> None:
    world.people(ada=["hr"], bob=[])
    models = world.catalog.models
    hr = Readers(allow=frozenset({"group:hr"}))
    assert models.list() == {}
    assert models.hidden_from(ADA) == frozenset()
    models.set("org/large-7b", hr, by=TESTER)
    models.set("org/large-7b", hr, by=TESTER)
    assert models.list() == {"org/large-7b": hr}
    assert models.hidden_from(ADA) == frozenset()
    assert models.hidden_from(Principal(name="user:bob")) == {"org/large-7b"}
    token = Principal(name="user:bob", groups=frozenset({"group:hr"}))
    # hr is not declared as the identity provider's
    assert models.hidden_from(token) == {"org/large-7b"}
    models.set(
        "org/large-7b",
        Readers(allow=frozenset({"public"}), deny=frozenset({"group:hr"})),
        by=TESTER,
    )
    assert models.hidden_from(ADA) == {"org/large-7b"}
    models.clear("org/large-7b", by=TESTER)
    assert models.hidden_from(ADA) == frozenset()
    with pytest.raises(NotFound):
        models.clear("org/large-7b", by=TESTER)
    for name in ("", " x", "x" * 513, "a\nb", "a\u200bb"):
        with pytest.raises(BadInput):
            models.set(name, hr, by=TESTER)


def test_a_later_group_of_a_removed_ones_name_inherits_no_model(world: World) -> None:
    world.people(ada=["hr"])
    world.catalog.models.set("large", Readers(allow=frozenset({"group:hr"})), by=TESTER)
    world.catalog.people.remove_group("hr", by=TESTER)
    world.catalog.people.add_group("hr", by=TESTER)
    world.catalog.people.add_member("hr", "user:ada", by=TESTER)
    assert world.catalog.models.hidden_from(ADA) == {"large"}


def test_paths_are_told_of_documents_that_may_be_read_and_of_no_others(world: World) -> None:
    world.people(ada=["hr"], bob=[])
    world.put("pay", "Salaries rise.", "group:hr")
    world.put("plan", "Secret.", "group:hr", deny=["user:ada"])
    world.put("menu", "Soup.", "public", path="kitchen/menu.txt")
    world.put("nobody", "Nothing.")
    found = {
        name: world.catalog.documents.paths(Principal(name=f"user:{name}"))
        for name in ("ada", "bob")
    }
    assert found == {"ada": {"pay", "kitchen/menu.txt"}, "bob": {"kitchen/menu.txt"}}


def test_a_prepared_statement_takes_lists_that_are_given_and_lists_that_are_its_own(
    world: World,
) -> None:
    number = literal(3)
    prepared = Prepared(
        select(literal("found")).where(
            number.in_((1, 3)), number.in_(bindparam("among", expanding=True))
        )
    )
    with world.catalog._database.reading() as connection:
        assert [tuple(row) for row in prepared.rows(connection, {"among": [2, 3]})] == [("found",)]
        assert prepared.rows(connection, {"among": [2]}) == []
