"""Documents over HTTP: who may bring, replace, relabel and delete what, and that nothing becomes
readable for more people than the rule of its source says.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexes.settings import Settings
from ingest.isolation.sandbox import Parsers
from tests.service.test_http_hostile import check
from tests.uploading import Uploading, rule, uploading
from tests.world import TESTER

NOON = "The canteen opens at noon."


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    with Parsers(Settings(parse_workers=2, parse_timeout_s=30)) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, parsers: Parsers, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    with uploading(tmp_path, parsers) as made:
        yield made
    capsys.readouterr()


# --- the way in ---------------------------------------------------------------------------------


def test_an_upload_is_read_by_a_worker_and_found_by_those_whom_the_rule_allows(place):
    reply = place.upload(
        "menus/today.txt", title="Menu", collection="menus", metadata='{"week": 3}'
    )
    assert reply.status_code == 202, reply.text
    assert reply.headers["location"] == f"/jobs/{reply.json()['job']}"
    assert place.job(reply)["state"] == "queued"
    place.work()
    job = place.job(reply)
    assert (job["state"], job["succeeded"], job["path"]) == ("done", True, "docs/menus/today.txt")
    found = place.ask("GET", f"/documents/{job['document_id']}", "eve").json()
    assert (found["text"], found["title"], found["collection"]) == (NOON, "Menu", "menus")
    assert found["metadata"] == {"week": 3}
    assert place.may_open(job["document_id"]) == {"ann", "eve", "bob"}
    assert (place.docs / "menus/today.txt").read_text() == NOON
    assert place.files() == ["today.txt"]


def test_a_later_run_over_the_folder_leaves_an_upload_as_it_is(place):
    narrow = place.uploaded(
        "a.txt", allow=["group:board"], title="Of the board", metadata='{"n": 1}'
    )
    plain = place.uploaded("b.txt", deny=["user:bob"])
    for _ in range(2):
        assert place.ingest(prune=True) == 0
        assert place.may_open(narrow) == {"ann", "bob"}
        assert place.may_open(plain) == {"ann", "eve"}
    assert place.ask("GET", f"/documents/{narrow}").json()["title"] == "Of the board"
    states = place.ask("GET", "/admin/documents", "root").json()["documents"]
    assert {(one["path"], one["state"]) for one in states} == {
        ("docs/a.txt", "stored"),
        ("docs/b.txt", "stored"),
    }


def test_real_formats_come_in(place):
    table = b"name,floor\ncanteen,3\n"
    page = b"<html><title>House</title><body><p>The lift stops at floor 3.</p></body></html>"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/one.txt", "One stands in the archive.")
        archive.writestr("two.txt", "Two stands in the archive.")
    for name, content in {"t.csv": table, "p.html": page, "z.zip": packed.getvalue()}.items():
        reply = place.upload(name, content, allow=["group:board"])
        place.work()
        assert place.job(reply)["succeeded"], place.job(reply)
    listed = place.ask("GET", "/documents", "bob").json()["documents"]
    assert [one["path"] for one in listed] == [
        "docs/p.html",
        "docs/t.csv",
        "docs/z.zip/in/one.txt",
        "docs/z.zip/two.txt",
    ]
    assert place.ask("GET", "/documents", "eve").json()["documents"] == []
    assert place.ingest(prune=True) == 0
    assert place.ask("GET", "/documents", "eve").json()["documents"] == []


def test_blobs_are_for_one_upload_of_their_owner(place):
    octets = {"Content-Type": "application/octet-stream"}
    reply = place.ask("POST", "/blobs", content=NOON.encode(), headers=octets)
    assert reply.status_code == 201, reply.text
    blob = reply.json()["id"]
    body = {"source": "handbook", "path": "a.txt", "blob": blob}
    place.catalog.sources.set_writers("handbook", rule("user:ann", "user:ben"), by=TESTER)
    check(place.ask("POST", "/documents", "ben", json=body), 404)
    assert place.ask("POST", "/documents", json=body).status_code == 202
    check(place.ask("POST", "/documents", json=body), 404)
    place.work()
    assert (place.docs / "a.txt").read_text() == NOON
    assert place.files() == ["a.txt"]


def test_put_replaces_the_content_and_keeps_the_id(place):
    first = place.uploaded("a.txt", allow=["group:board"])
    files = {"file": ("b.txt", b"The canteen is closed.")}
    reply = place.ask("PUT", f"/documents/{first}", files=files)
    assert reply.status_code == 202, reply.text
    assert place.text(first) == NOON
    place.work()
    assert place.job(reply)["document_id"] == first
    assert place.text(first) == "The canteen is closed."
    assert place.may_open(first) == {"ann", "bob"}


def test_delete_takes_a_document_away_at_once_and_then_its_file(place):
    document = place.uploaded("a.txt")
    reply = place.ask("DELETE", f"/documents/{document}")
    assert reply.status_code == 202
    assert place.may_open(document) == set()
    place.ingest()
    assert place.ask("GET", "/documents").json()["documents"] == []
    place.work()
    assert place.files() == []
    check(place.ask("DELETE", f"/documents/{document}"), 404)
    again = place.uploaded("a.txt", "Another text.")
    assert place.text(again) == "Another text."


# --- who may ------------------------------------------------------------------------------------


def test_who_may_not_write_to_a_source_learns_nothing_of_it(place):
    unknown = place.ask(
        "POST", "/documents", data={"source": "x", "path": "a.txt"}, files={"file": b"a"}
    )
    refused = place.upload("a.txt", who="ben")
    assert check(unknown, 404) | {"instance": ""} == check(refused, 404) | {"instance": ""}
    check(place.upload("a.txt", who="eve"), 403)
    assert place.files() == []
    assert place.catalog.jobs.latest(10) == []


def test_what_may_neither_be_read_nor_written_looks_absent_and_what_may_be_read_is_refused(place):
    document = place.uploaded("a.txt")
    secret = place.uploaded("b.txt", allow="")
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "DELETE": ("", {}),
        "PUT": ("", {"files": {"file": b"New."}}),
        "PATCH": ("/readers", {"json": {"allow": ["user:ben"]}}),
    }
    place.catalog.people.add_member("staff", "user:ben", by=TESTER)
    for method, (below, sent) in asked.items():
        check(place.ask(method, f"/documents/{document}{below}", "ben", **sent), 403)
        hidden = check(place.ask(method, f"/documents/{secret}{below}", "ben", **sent), 404)
        absent = check(place.ask(method, f"/documents/{'z' * 20}{below}", "ben", **sent), 404)
        assert hidden | {"instance": ""} == absent | {"instance": ""}
    assert place.text(document) == NOON


def test_the_rule_for_writers_means_groups_in_groups_and_denies(place):
    place.catalog.people.add_group("editors", by=TESTER)
    place.catalog.people.add_group("authors", by=TESTER)
    place.catalog.people.add_member("editors", "group:authors", by=TESTER)
    place.catalog.people.add_member("authors", "user:ben", by=TESTER)
    place.catalog.sources.set_writers("handbook", rule("group:editors"), by=TESTER)
    assert place.upload("a.txt", who="ben").status_code == 202
    denied = rule("group:editors", deny=("group:authors",))
    place.catalog.sources.set_writers("handbook", denied, by=TESTER)
    check(place.upload("b.txt", who="ben"), 404)
    place.catalog.sources.set_writers("handbook", rule(), by=TESTER)
    check(place.upload("b.txt", who="ann"), 404)


def test_a_scope_is_no_right_and_a_right_no_scope(place):
    key = place.catalog.keys.issue("ann", scopes=["ask"], by=TESTER).secret
    place.keys["ann"] = key
    check(place.upload("a.txt"), 403)
    check(place.upload("a.txt", who="root"), 404)


def test_a_key_with_ingest_alone_uploads_and_reads_nothing(place):
    place.keys["robot"] = place.catalog.keys.issue("ann", scopes=["ingest"], by=TESTER).secret
    reply = place.upload("a.txt", who="robot")
    assert reply.status_code == 202
    place.work()
    document = place.job(reply, "robot")["document_id"]
    check(place.ask("GET", f"/documents/{document}", "robot"), 403)


# --- no wider than the rule ---------------------------------------------------------------------


@pytest.mark.parametrize("allow", ["public", "user:eve", "group:vault", "user:ann"])
def test_readers_beyond_the_rule_of_the_source_are_refused(place, allow):
    place.catalog.people.add_group("vault", by=TESTER)
    problem = check(place.upload("a.txt", allow=["group:staff", allow]), 422)
    assert allow in problem["detail"]
    assert (place.files(), place.catalog.jobs.latest(10)) == ([], [])


def test_a_name_that_nobody_has_is_refused_without_a_hint(place):
    for sent in ({"allow": ["group:stafff"]}, {"deny": ["user:evee"]}):
        problem = check(place.upload("a.txt", **sent), 422)
        assert "group:staff'" not in problem["detail"] + "'"
        assert "user:eve'" not in problem["detail"]


def test_under_public_any_name_is_narrower(place):
    place.catalog.sources.set_rule("handbook", rule("public", deny=("user:bob",)), by=TESTER)
    document = place.uploaded("a.txt", allow=["group:board", "user:eve"])
    assert place.may_open(document) == {"ann", "eve"}
    place.ingest()
    assert place.may_open(document) == {"ann", "eve"}


def test_a_rule_that_becomes_narrower_narrows_uploads_and_one_that_becomes_wider_does_not(place):
    document = place.uploaded("a.txt", allow=["group:board"])
    place.catalog.sources.set_rule("handbook", rule("group:staff"), by=TESTER)
    place.ingest()
    assert place.may_open(document) == set()
    place.catalog.sources.set_rule("handbook", rule("public"), by=TESTER)
    place.ingest()
    assert place.may_open(document) == {"ann", "bob"}


def test_the_rule_of_a_folder_holds_for_uploads_into_it(place):
    (place.docs / "open").mkdir()
    (place.docs / "open/.access.yaml").write_text("allow: [group:board]")
    reply = place.upload("open/a.txt", allow=["group:staff"])
    place.work()
    job = place.job(reply)
    assert (job["state"], job["succeeded"]) == ("failed", False)
    assert "group:staff" in job["error"]
    assert place.files() == [".access.yaml", job_file(place)]
    document = place.uploaded("open/b.txt")
    assert place.may_open(document) == {"ann", "bob"}


def job_file(place: Uploading) -> str:
    """The bytes that are kept for another try."""
    (file,) = (place.settings.home / "uploads").iterdir()
    return file.name


def test_a_deny_of_the_source_is_not_lifted_by_new_readers(place):
    document = place.uploaded("a.txt", allow=["group:staff"])
    place.catalog.sources.set_rule(
        "handbook", rule("group:staff", "group:board", deny=("user:eve",)), by=TESTER
    )
    body = {"allow": ["group:staff", "group:board"]}
    reply = place.ask("PATCH", f"/documents/{document}/readers", json=body)
    assert reply.json() == {"allow": ["group:board", "group:staff"], "deny": ["user:eve"]}
    assert place.may_open(document) == {"ann", "bob"}


def test_readers_change_at_once_and_stay_under_the_rule(place):
    document = place.uploaded("a.txt")

    def patch(**body: Any) -> Any:
        return place.ask("PATCH", f"/documents/{document}/readers", json=body)

    assert patch(allow=["group:board"]).status_code == 200
    assert place.may_open(document) == {"ann", "bob"}
    place.ingest()
    assert place.may_open(document) == {"ann", "bob"}
    assert patch(allow=None, deny=["user:ann"]).status_code == 200
    assert place.may_open(document) == {"eve", "bob"}
    check(patch(allow=["public"]), 422)
    check(patch(allow=["user:ann"]), 422)
    check(patch(), 422)
    assert patch(allow=[]).status_code == 200
    assert place.may_open(document) == set()
    assert patch(allow=None).status_code == 200
    assert place.may_open(document) == {"ann", "eve", "bob"}


def test_a_document_that_came_with_its_folder_cannot_be_opened_beyond_the_rule_of_its_folder(place):
    (place.docs / "board").mkdir()
    (place.docs / "board/.access.yaml").write_text("allow: [group:board]")
    (place.docs / "board/a.txt").write_text("Secret of the board.")
    place.ingest()
    (document,) = (one["id"] for one in place.ask("GET", "/documents").json()["documents"])
    check(
        place.ask("PATCH", f"/documents/{document}/readers", json={"allow": ["group:staff"]}), 422
    )
    (place.docs / "board/.access.yaml").write_text("allow: [group:staff, group:board]")
    place.ask("PATCH", f"/documents/{document}/readers", json={"allow": ["group:board"]})
    place.ingest()
    assert place.may_open(document) == {"ann", "bob"}
    reply = place.ask("PATCH", f"/documents/{document}/readers", json={"allow": ["group:staff"]})
    assert reply.status_code == 200
    assert place.may_open(document) == {"ann", "eve"}


@pytest.mark.parametrize("own", [None, ["group:staff"], ["group:staff", "group:board"]])
def test_a_document_without_its_file_is_opened_no_further_than_the_rule_of_today(place, own):
    document = place.uploaded("a.txt", **({} if own is None else {"allow": own}))
    address = f"/documents/{document}/readers"
    place.ask("PATCH", address, json={"allow": own or ["group:staff"]})
    if own is None:
        place.ask("PATCH", address, json={"allow": None})
    (place.docs / "a.txt").unlink()
    place.catalog.sources.set_rule("handbook", rule("group:board"), by=TESTER)
    place.ingest()
    check(place.ask("PATCH", address, json={"allow": ["group:staff", "group:board"]}), 422)
    place.ask("PATCH", address, json={"allow": None})
    assert place.may_open(document) <= {"ann", "bob"}


def test_a_change_of_readers_holds_for_an_upload_that_waits(place):
    document = place.uploaded("a.txt", allow=["group:board"])
    place.upload("a.txt", "The board decided.", allow=["group:staff", "group:board"])
    place.ask("PATCH", f"/documents/{document}/readers", json={"allow": ["group:board"]})
    place.work()
    assert place.text(document) == "The board decided."
    assert place.may_open(document) == {"ann", "bob"}


def test_wider_readers_of_new_content_do_not_open_the_old(place):
    document = place.uploaded("a.txt", "Secret of the board.", allow=["group:board"])
    reply = place.upload("a.txt", b"\x00\x01" * 500, allow=["group:staff", "group:board"])
    place.work()
    assert not place.job(reply)["succeeded"]
    assert place.may_open(document) <= {"ann", "bob"}
    place.ingest()
    assert place.may_open(document) <= {"ann", "bob"}


def test_a_run_that_planned_before_brings_back_neither_readers_nor_the_deleted(place):
    first, second = place.uploaded("a.txt"), place.uploaded("b.txt")
    documents = place.catalog.documents
    uris = {
        path: uri
        for uri in documents.stored("source:")
        for path in ("a.txt", "b.txt")
        if uri.endswith(path)
    }
    place.ask("PATCH", f"/documents/{first}/readers", json={"allow": ["group:board"]})
    wide = rule("group:staff", "group:board")
    documents.relabel(uris["a.txt"], wide, by=TESTER)
    assert place.may_open(first) == {"ann", "bob"}
    documents.relabel_all(dict.fromkeys(uris.values(), wide), by=TESTER)
    assert place.may_open(first) == {"ann", "bob"}
    place.ask("DELETE", f"/documents/{second}")
    (place.docs / "b.txt").write_text("Written again by hand.")
    assert place.ingest() == 1
    assert place.may_open(second) == set()
    assert [one["path"] for one in place.ask("GET", "/documents").json()["documents"]] == [
        "docs/a.txt"
    ]


def test_a_file_that_is_moved_keeps_its_own_readers(place):
    document = place.uploaded("a.txt", allow=["group:board"])
    (place.docs / "a.txt").rename(place.docs / "b.txt")
    for _ in range(2):
        assert place.ingest(prune=True) == 0
        assert place.may_open(document) == {"ann", "bob"}


# --- what may be sent ---------------------------------------------------------------------------


BAD_PATHS = (
    "", ".", "..", "../a.txt", "/etc/a.txt", "a/../b.txt", "a//b.txt", "a/./b.txt", "a\\b.txt", "C:a.txt",
    ".hidden.txt", "a/.git/b.txt", ".access.yaml", "access.yaml", "a/.Access.yml", "~$a.docx", "a.txt~", "a\x00.txt",
    "a\n.txt", "a\u202etxt.pdf", "a\u200b.txt", " a.txt", "a.txt ", "a.", "x" * 300, "/".join(["d"] * 40), "a.exe",
    "a.mkv", "\ue000.txt",
)  # fmt: skip


def test_no_path_leads_out_or_takes_the_place_of_a_rule(place):
    for path in BAD_PATHS:
        try:
            check(place.upload(path), 422)
        except AssertionError as error:
            raise AssertionError(f"{path!a}: {error}") from error
    assert (place.files(), place.catalog.jobs.latest(10)) == ([], [])


def test_a_path_is_kept_in_nfc_and_no_second_file_looks_like_it(place):
    document = place.uploaded("Cafe\u0301.txt")
    assert (place.docs / "Caf\u00e9.txt").exists()
    same = place.upload("Caf\u00e9.txt", "New.")
    place.work()
    assert place.job(same)["document_id"] == document
    for lookalike in ("CAF\u00c9.txt", "\u0421af\u00e9.txt"):
        reply = place.upload(lookalike)
        place.work()
        assert "could be taken for" in place.job(reply)["error"]


def test_a_link_on_the_way_is_not_followed(place, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (place.docs / "link").symlink_to(outside)
    (place.docs / "a.txt").symlink_to(outside / "b.txt")
    for path in ("link/c.txt", "a.txt"):
        reply = place.upload(path)
        place.work()
        assert place.job(reply)["state"] == "failed"
    assert list(outside.iterdir()) == []


def test_sizes_have_limits_and_nothing_is_left(place):
    check(place.upload("a.txt", b""), 422)
    check(place.upload("a.txt", b"x" * 1_000_001), 413)
    check(place.upload("a.txt", title="t" * 70_000), 413)
    octets = {"Content-Type": "application/octet-stream"}
    check(place.ask("POST", "/blobs", content=b"x" * 1_000_001, headers=octets), 413)
    check(place.ask("POST", "/blobs", content=b"", headers=octets), 422)
    assert (place.files(), place.catalog.jobs.latest(10)) == ([], [])
    assert place.upload("a.txt", b"x" * 1_000_000).status_code == 202


def test_a_caller_can_only_let_so_much_wait(tmp_path, parsers):
    with uploading(tmp_path, parsers, max_waiting_uploads_mb=1) as place:
        assert place.upload("a.txt", b"x " * 300_000).status_code == 202
        refused = place.upload("b.txt", b"x " * 300_000)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        place.work()
        assert place.upload("b.txt", b"x " * 300_000).status_code == 202


FORMS: dict[str, tuple[bytes, str]] = {
    "no boundary": (b"abc", "multipart/form-data"),
    "no form": (b"abc", "multipart/form-data; boundary=x"),
    "no end": (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc', "multipart/form-data; boundary=x"),
    "no name": (b"--x\r\nContent-Type: a/b\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    "a file of another name": (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    "no file": (
        b'--x\r\nContent-Disposition: form-data; name="path"\r\n\r\nabc\r\n--x--\r\n', "multipart/form-data; boundary=x",
    ),
    "an empty form": (b"--x--\r\n", "multipart/form-data; boundary=x"),
    "a head without end": (b"--x\r\n" + b"A: " + b"b" * 20_000, "multipart/form-data; boundary=x"),
    "no UTF-8": (
        b'--x\r\nContent-Disposition: form-data; name="path"\r\n\r\n\xff\r\n--x--\r\n', "multipart/form-data; boundary=x",
    ),
}  # fmt: skip


def test_forms_that_are_none_are_a_clear_problem(place):
    for name, (body, kind) in FORMS.items():
        try:
            check(
                place.ask("POST", "/documents", content=body, headers={"Content-Type": kind}), 422
            )
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
    check(
        place.ask("POST", "/documents", content=b"a", headers={"Content-Type": "text/plain"}), 415
    )
    check(
        place.ask("POST", "/documents", content=b"{", headers={"Content-Type": "application/json"}),
        400,
    )
    check(place.ask("POST", "/documents", json={"source": "handbook", "path": "a.txt"}), 422)
    assert check(place.upload("a.txt", nonsense="x"), 422)["errors"][0]["pointer"] == "/nonsense"
    check(place.upload("a.txt", title=["a", "b"]), 422)
    check(place.upload("a.txt", metadata="{"), 422)
    check(place.upload("a.txt", metadata='{"a": [1]}'), 422)
    check(place.upload("a.txt", blob="x"), 422)
    assert place.files() == []


# --- the same request again ---------------------------------------------------------------------


def test_a_request_that_comes_again_is_done_once(place):
    key = {"Idempotency-Key": "7"}
    first = place.upload("a.txt", headers=key)
    again = place.upload("a.txt", headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(place.catalog.jobs.latest(10)) == 1
    for other in (place.upload("b.txt", headers=key), place.upload("a.txt", "Else.", headers=key)):
        assert check(other, 422)["type"] == "/problems/idempotency-key-reused"
    place.catalog.sources.set_writers("handbook", rule("user:ann", "user:ben"), by=TESTER)
    assert place.upload("b.txt", who="ben", headers=key).status_code == 202
    assert len(place.catalog.jobs.latest(10)) == 2
    check(place.upload("c.txt", headers={"Idempotency-Key": ""}), 422)


def test_of_two_uploads_to_one_path_the_later_one_counts(place):
    first, second = place.upload("a.txt", "One."), place.upload("a.txt", "Two.")
    place.work()
    assert place.job(first)["state"] == "failed"
    assert "newer" in place.job(first)["error"]
    assert place.text(place.job(second)["document_id"]) == "Two."


# --- jobs ---------------------------------------------------------------------------------------


def test_a_job_is_for_who_asked_for_it_and_for_operators(place):
    reply = place.upload("a.txt")
    job = reply.json()["job"]
    for step in ("", "/cancel", "/retry"):
        method = "POST" if step else "GET"
        check(place.ask(method, f"/jobs/{job}{step}", "ben"), 404)
        check(place.ask(method, f"/jobs/{job}{step}", "eve"), 403)
    assert place.ask("GET", "/jobs", "ben").json() == {"jobs": []}
    assert [one["id"] for one in place.ask("GET", "/jobs").json()["jobs"]] == [job]
    assert [one["id"] for one in place.ask("GET", "/jobs", "root").json()["jobs"]] == [job]
    assert place.ask("GET", f"/jobs/{job}", "root").json()["document_id"] is None
    check(place.ask("GET", "/jobs?before=" + "z" * 20), 404)


def test_a_job_that_waits_is_cancelled_and_tried_again(place):
    reply = place.upload("a.txt")
    job = reply.json()["job"]
    assert place.ask("POST", f"/jobs/{job}/cancel").json()["state"] == "cancelled"
    check(place.ask("POST", f"/jobs/{job}/cancel"), 409)
    place.work()
    assert not (place.docs / "a.txt").exists()
    again = place.ask("POST", f"/jobs/{job}/retry")
    assert again.status_code == 202
    check(place.ask("POST", f"/jobs/{job}/retry"), 409)
    place.work()
    assert place.job(again)["succeeded"]
    check(place.ask("POST", f"/jobs/{again.json()['job']}/retry"), 409)


def test_a_file_that_cannot_be_read_is_told_with_a_remedy_and_can_be_tried_again(place):
    reply = place.upload("a.pdf", b"%PDF-1.7 nonsense")
    place.work()
    job = place.job(reply)
    assert (job["state"], job["succeeded"], job["document_id"]) == ("done", False, None)
    (file,) = job["files"]
    assert (file["path"], file["status"]) == ("docs/a.pdf", "failed")
    assert file["reason"]
    (told,) = place.ask("GET", "/admin/documents?state=failed", "root").json()["documents"]
    assert (told["path"], told["source"], told["error"]) == (
        "docs/a.pdf", "handbook", file["reason"],
    )  # fmt: skip
    again = place.ask("POST", f"/jobs/{job['id']}/retry")
    place.work()
    assert place.job(again)["files"] == job["files"]
    assert place.upload("a.pdf", "no pdf").status_code == 202
    check(place.ask("POST", f"/jobs/{again.json()['job']}/retry"), 409)


def test_paths_of_the_machine_are_not_told(place):
    reply = place.upload("a.pdf", b"%PDF-1.7 nonsense")
    place.work()
    assert str(place.docs.parent) not in json.dumps(place.job(reply))


def disable(place) -> None:
    place.catalog.people.disable_user("ann", by=TESTER)


def exchange(place) -> None:
    """Somebody else has the name now."""
    place.catalog.people.remove_user("ann", by=TESTER)
    place.catalog.people.add_user("ann", by=TESTER)
    place.catalog.sources.set_writers("handbook", rule("user:ann"), by=TESTER)


def shut(place) -> None:
    place.catalog.sources.set_writers("handbook", rule("user:ben"), by=TESTER)


def deny(place) -> None:
    place.catalog.sources.set_writers(
        "handbook", rule("user:ann", deny=("group:board",)), by=TESTER
    )


@pytest.mark.parametrize("lose_right", [disable, exchange, shut, deny])
def test_what_waits_is_not_done_for_whom_may_not_write_any_more(place, lose_right):
    old = place.uploaded("a.txt", "It was so before.")
    replaced = place.upload("a.txt", "It is otherwise now.")
    added = place.upload("new.txt", "It is new.")
    lose_right(place)
    place.work()
    for reply in (replaced, added):
        job = place.job(reply, "root")
        assert job["state"] == "failed"
        assert "may not write there any more" in job["error"]
    assert not (place.docs / "new.txt").exists()
    assert (place.docs / "a.txt").read_text() == "It was so before."
    assert place.ask("GET", f"/documents/{old}", "eve").json()["text"] == "It was so before."


@pytest.mark.parametrize(("linked", "state"), [(True, "done"), (False, "failed")])
def test_groups_that_only_a_token_names_are_taken_as_they_were(place, linked: bool, state: str):
    place.catalog.people.add_group("corp/writers", external=True, by=TESTER)
    if linked:
        place.catalog.subjects.link("ann", "corp", "https://corp.example", "a-1", by=TESTER)
    reply = place.upload("a.txt")
    place.catalog.sources.set_writers("handbook", rule("group:corp/writers"), by=TESTER)
    place.work()
    assert place.job(reply, "root")["state"] == state


def test_the_record_holds_no_path_of_what_was_uploaded_and_deleted(place):
    """A path says what a document is about, and a record outlives what is erased."""
    made = place.uploaded("merger/with-heliotrope.txt", title="Merger with heliotrope")
    place.uploaded("merger/with-heliotrope.txt", "Another text.")
    assert place.ask("DELETE", f"/documents/{made}").status_code == 202
    place.work()
    with contextlib.closing(place.catalog.open_trail()) as trail:
        told = json.dumps([dict(each.body) for each in place.catalog.books(trail).records()])
    assert "upload.placed" in told
    assert "heliotrope" not in told
