"""Question sets: what is read from them, who asks, what counts as answered by whom, and what is
refused.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import BadInput
from service.evaluation.sets import QuestionSet, draw_sample, load_set

USERS = ("user:ada", "user:bob")
READABLE = {"user:ada": frozenset({"pay", "menu"}), "user:bob": frozenset({"menu"})}


def write(path: Path, rows: list[Any]) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def read(place: Path, **given: Any) -> QuestionSet:
    return load_set(place, READABLE.__getitem__, USERS, **given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "kitchen"
    place.mkdir()
    queries = [
        {
            "_id": "q1",
            "text": "When do salaries rise?",
            "answerable": True,
            "answers": ["March"],
            "type": "x",
        },
        {"_id": "q2", "text": "Who painted the door?", "answerable": False, "answers": []},
    ]
    write(place / "queries.jsonl.gz", queries)
    (place / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\tpay\t1\nq1\tmenu\t0\n", encoding="utf-8"
    )
    write(
        place / "acl.jsonl.gz",
        [{"doc_id": "pay", "groups": ["hr"]}, {"doc_id": "menu", "groups": ["staff"]}],
    )
    people = [
        {"user_id": "ada", "groups": ["hr", "staff"]},
        {"user_id": "bob", "groups": ["staff"]},
    ]
    write(place / "users.jsonl", people)
    asked = [
        {
            "query_id": "q1",
            "user_id": "ada",
            "expect": "answer",
            "visible_relevant": ["pay"],
            "hidden_relevant": [],
        },
        {
            "query_id": "q1",
            "user_id": "bob",
            "expect": "abstain",
            "visible_relevant": [],
            "hidden_relevant": ["pay"],
        },
    ]
    write(place / "acl_queries.jsonl.gz", asked)
    return place


# --- a labelled set -----------------------------------------------------------------------------


def test_a_set_with_an_overlay_says_who_asks_and_who_must_be_answered(folder):
    found = read(folder)
    yes, no = found.cases
    assert (found.name, found.total, found.lost) == ("kitchen", 2, 0)
    assert (yes.id, yes.user, yes.answerable, yes.answers) == (
        "q1/ada",
        "user:ada",
        True,
        ("March",),
    )
    assert yes.documents == {"pay"}
    assert (no.id, no.user, no.answerable, no.answers, no.documents) == (
        "q1/bob",
        "user:bob",
        False,
        (),
        frozenset(),
    )


def test_the_overlay_forbids_what_the_set_does_not_allow_whatever_the_catalog_says(folder):
    overlay = read(folder).declared_access
    assert overlay is not None
    assert [overlay.forbids(user, "pay") for user in (*USERS, "user:eve")] == [False, True, True]
    assert not overlay.forbids("user:bob", "another/file.pdf")


def test_asked_by_one_user_a_question_has_an_answer_where_he_may_read_one(folder):
    by_ada, by_bob = read(folder, user="ada").cases, read(folder, user="user:bob").cases
    assert [(case.id, case.answerable, set(case.documents)) for case in by_ada] == [
        ("q1", True, {"pay"}),
        ("q2", False, set()),
    ]
    assert [(case.answerable, case.answers, set(case.documents)) for case in by_bob] == [
        (False, (), set())
    ] * 2


def test_people_are_found_beside_the_sets_too(folder, tmp_path):
    (tmp_path / "acl").mkdir()
    (folder / "users.jsonl").rename(tmp_path / "acl" / "users.jsonl")
    place = tmp_path / "sets" / "kitchen"
    place.parent.mkdir()
    folder.rename(place)
    assert read(place).declared_access is not None
    (tmp_path / "acl" / "users.jsonl").unlink()
    assert read(place).declared_access is None


def test_documents_that_are_not_in_the_catalog_are_told(folder):
    found = load_set(
        folder,
        lambda user: READABLE[user] - {"menu"} if user == "user:bob" else frozenset({"pay"}),
        USERS,
    )
    assert found.lost == 0
    with pytest.raises(BadInput, match="holds none that its askers may read") as refused:
        load_set(folder, lambda user: frozenset(), USERS)
    assert "ingest-set" in str(refused.value.remedy)


def test_nobody_to_ask_is_said(folder):
    (folder / "acl_queries.jsonl.gz").unlink()
    with pytest.raises(BadInput, match="Nothing says who asks") as refused:
        read(folder)
    assert "--as" in str(refused.value.remedy)


def test_unknown_users_are_named(folder):
    with pytest.raises(BadInput, match="does not know user:eve"):
        read(folder, user="eve")
    with pytest.raises(BadInput, match="does not know user:ada, user:bob"):
        load_set(folder, READABLE.__getitem__, ())


def test_rows_without_a_question_are_left_out_and_told(folder):
    queries = [
        {"_id": "q1", "text": " ", "answerable": False},
        {"_id": "q2", "text": "Who painted the door?", "answerable": False},
    ]
    write(folder / "queries.jsonl.gz", queries)
    found = read(folder, user="ada")
    assert ([case.id for case in found.cases], found.total, found.textless) == (["q2"], 1, 1)


def test_wrong_lines_of_a_labelled_set_are_named(folder):
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1 pay 1\nq1\tpay\tmuch\n", encoding="utf-8"
    )
    with pytest.raises(BadInput, match=r"qrels.tsv, line 2: .*; line 3: "):
        read(folder, user="ada")
    write(
        folder / "acl_queries.jsonl.gz", [{"query_id": "q1", "user_id": "ada", "expect": "perhaps"}]
    )
    with pytest.raises(BadInput, match=r"line 1: expect: .*visible_relevant: Field required"):
        read(folder)
    (folder / "queries.jsonl.gz").write_bytes(b"not gzip")
    with pytest.raises(BadInput, match="cannot be read"):
        read(folder)


# --- one's own file -----------------------------------------------------------------------------


def test_a_file_of_ones_own_needs_little(tmp_path):
    rows = [
        {
            "question": "When do salaries rise?",
            "answers": ["March"],
            "documents": ["pay"],
            "user": "ada",
        },
        {
            "id": "door",
            "question": "Who painted the door?",
            "answerable": False,
            "user": "user:bob",
        },
        {"question": "When?", "answers": ["March"], "documents": ["pay"], "user": "bob"},
        {"question": "Is there soup?", "answers": ["yes"], "user": "bob"},
    ]
    found = read(write(tmp_path / "mine.jsonl", ["\ufeff" + json.dumps(rows[0]), "", *rows[1:]]))
    assert (found.name, found.declared_access) == ("mine", None)
    assert [
        (case.id, case.user, case.answerable, case.answers, set(case.documents))
        for case in found.cases
    ] == [
        ("#1", "user:ada", True, ("March",), {"pay"}),
        ("door", "user:bob", False, (), set()),
        ("#3", "user:bob", False, (), set()),  # the only document that answers is not for him
        ("#4", "user:bob", True, ("yes",), set()),
    ]
    assert found.lost == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["{", '{"question": 3}'], r"line 1: .*line 2: question"),
        (
            [{"question": "Q", "answers": ["a"], "document": ["pay"]}],
            "line 1: document: Extra inputs",
        ),
        ([{"question": "Q", "answers": "a"}], "line 1: answers"),
        ([{"question": "Q"}], "question 1: it has no answers"),
        ([{"question": "Q", "answers": ["a"], "answerable": False}], "question 1: it has answers"),
        ([{"question": " ", "answerable": False}], "question 1: the question is empty"),
        ([{"question": "Q", "answerable": False, "id": "x"}] * 2, "'x' stands more than once"),
        (["[]"] * 9, r"and 4 more"),
        ([], "no questions"),
        (["\n"], "no questions"),
    ],
)
def test_malformed_files_are_refused_with_the_lines(tmp_path, rows, said):
    with pytest.raises(BadInput, match=said):
        read(write(tmp_path / "mine.jsonl", rows), user="ada")


def test_the_turns_before_a_follow_up_are_read_in_their_order(tmp_path):
    history = [
        {"role": "user", "content": "How much leave has Finance?"},
        {"role": "assistant", "content": "30 days [1]."},
    ]
    rows = [{"question": "And Sales?", "answers": ["25"], "history": history}]
    rows.append({"question": "Is there soup?", "answers": ["yes"]})
    follow_up, alone = read(write(tmp_path / "mine.jsonl", rows), user="ada").cases
    assert [(turn.role, turn.text) for turn in follow_up.history] == [
        ("user", "How much leave has Finance?"),
        ("assistant", "30 days [1]."),
    ]
    assert alone.history == ()


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ("Finance?", "line 3: history"),
        (["Finance?"], r"line 3: history\.0"),
        ([{"role": "system", "content": "Obey."}], r"line 3: history\.0\.role"),
        ([{"role": "user", "content": " "}], r"line 3: history\.0\.content: The turn is empty"),
        ([{"role": "user"}], r"line 3: history\.0\.content: Field required"),
        ([{"role": "user", "content": "a", "by": "ada"}], r"line 3: history\.0\.by: Extra"),
        ([{"role": "assistant", "content": "Hello."}], "line 3: history: It must begin with"),
        ([{"role": "user", "content": "a"}] * 1_001, "line 3: history: .* at most 1000"),
    ],
)
def test_a_history_that_is_none_is_refused_with_its_line(tmp_path, history, said):
    good = json.dumps({"question": "Q", "answerable": False})
    bad = {"question": "And Sales?", "answers": ["25"], "history": history}
    with pytest.raises(BadInput, match=said):
        read(write(tmp_path / "mine.jsonl", [good, "", bad]), user="ada")


def test_a_file_without_users_needs_one(tmp_path):
    file = write(tmp_path / "mine.jsonl", [{"question": "Q", "answerable": False}])
    with pytest.raises(BadInput, match="1 of 1 questions do not say who asks"):
        read(file)
    assert read(file, user="bob").cases[0].user == "user:bob"
    with pytest.raises(BadInput, match="cannot be found"):
        read(tmp_path / "nowhere.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"question": "\xe9"}')
    with pytest.raises(BadInput, match="not UTF-8"):
        read(tmp_path / "latin.jsonl")


def test_a_sample_keeps_the_proportions_and_is_the_same_for_the_same_seed(tmp_path):
    rows = [{"question": f"Q{n}", "answerable": n % 4 > 0, "user": "ada"} for n in range(100)]
    found = read(write(tmp_path / "mine.jsonl", rows))
    sample = draw_sample(found, 20, seed=1)
    assert (len(sample.cases), sample.total, sum(case.answerable for case in sample.cases)) == (
        20,
        100,
        15,
    )
    assert sample == draw_sample(found, 20, seed=1) != draw_sample(found, 20, seed=2)
    assert draw_sample(found, 500, seed=1) == draw_sample(found, None, seed=1) == found
