"""Original files over HTTP: who may read the document now gets exactly the file it was made from,
and to everybody else there is none.
"""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.originals import OriginalFolder
from indexes.settings import Settings
from ingest.isolation.sandbox import Parsers
from service.app import create_app
from service.http import originals
from service.http.originals import safe_name
from service.testing.loopback import Loopback
from tests.service.conftest import SALARIES, House, document, readers
from tests.uploading import uploading
from tests.world import TESTER

FILE = b"%PDF-1.7 " + SALARIES.encode()
OTHER = b"%PDF-1.7 Salaries fall in May."
URI = "file:///house/salaries.txt"


def put(
    house: House, content: bytes, *may_read: str, text: str = SALARIES, **fields: Any
) -> tuple[str, str]:
    """The document of salaries, made from these bytes; its id and the hash of the file."""
    sha256 = hashlib.sha256(content).hexdigest()
    folder = OriginalFolder(house.settings.home)
    folder.keep(sha256, [content], house.catalog.originals, TESTER)
    given = {"original": sha256, "media_type": "application/pdf", "path": "pay/Gehälter 2026.pdf"}
    made = replace(
        document("salaries", text, readers(*(may_read or ["group:hr"]))), **{**given, **fields}
    )
    vectors = house.embedder.passages([chunk.embedded for chunk in made.chunks])
    written = {generation.id: vectors for generation in house.catalog.generations.writable()}
    return house.catalog.documents.put(made, written, by=TESTER), sha256


def get(http: TestClient, house: House, document_id: str, who: str = "ada", **more: Any) -> Any:
    more["headers"] = house.headers(who) | more.get("headers", {})
    return http.get(f"/documents/{document_id}/original", **more)


def recorded(house: House) -> list[dict[str, Any]]:
    with closing(house.catalog.open_trail()) as trail:
        bodies = [dict(each.body) for each in house.catalog.books(trail).records()]
    return [body for body in bodies if body["kind"] == "opened"]


def told(reply: Any) -> tuple[int, bytes, dict[str, str]]:
    """All of a reply but what is another one each time."""
    problem = {k: v for k, v in reply.json().items() if k != "instance"}
    headers = {k: v for k, v in reply.headers.items() if k not in ("x-request-id", "date")}
    return reply.status_code, repr(problem).encode(), headers


# --- who gets it --------------------------------------------------------------------------------


def test_a_reader_gets_the_file_to_the_letter_and_it_is_recorded(http: TestClient, house: House):
    name, sha256 = put(house, FILE)
    reply = get(http, house, name)
    assert (reply.status_code, reply.content) == (200, FILE)
    assert reply.headers["etag"] == f'"{sha256}"'
    assert reply.headers["content-length"] == str(len(FILE))
    (entry,) = recorded(house)
    assert (entry["who"], entry["document"], entry["original"]) == ("user:ada", name, True)
    assert sha256 not in repr(entry)


def test_to_everybody_else_there_is_none(http: TestClient, house: House):
    name, sha256 = put(house, FILE)
    absent = told(get(http, house, "zzzzzzzzzzzzzzzzzzzz", "bob"))
    for who in ("bob", "root"):  # no scope opens a document
        for query in ({}, {"version": sha256}, {"inline": "true"}):
            assert told(get(http, house, name, who, params=query)) == absent
        tagged = get(http, house, name, who, headers={"If-None-Match": f'"{sha256}"'})
        assert told(tagged) == absent
    assert recorded(house) == []


def test_a_document_without_a_kept_file_has_none(http: TestClient, house: House):
    absent = told(get(http, house, "zzzzzzzzzzzzzzzzzzzz"))
    assert told(get(http, house, house.ids["salaries"])) == absent


TAKEN: dict[str, Callable[[House], object]] = {
    "the membership": lambda house: house.catalog.people.remove_member("hr", "user:ada", by=TESTER),
    "the readers": lambda house: house.catalog.documents.relabel(
        URI, readers("user:root"), by=TESTER
    ),
    "the document": lambda house: house.catalog.documents.delete(URI, by=TESTER),
}


@pytest.mark.parametrize("way", TAKEN)
def test_what_is_taken_away_between_two_requests_is_gone(http: TestClient, house: House, way: str):
    name, sha256 = put(house, FILE)
    assert get(http, house, name).status_code == 200
    TAKEN[way](house)
    absent = told(get(http, house, "zzzzzzzzzzzzzzzzzzzz"))
    assert told(get(http, house, name)) == absent
    assert told(get(http, house, name, headers={"If-None-Match": f'"{sha256}"'})) == absent
    assert told(get(http, house, name, headers={"Range": "bytes=0-3"})) == absent


def test_what_another_process_takes_away_is_gone(house: House):
    name, _ = put(house, FILE)
    with TestClient(house.app) as here:
        assert get(here, house, name).status_code == 200
        other = create_app(house.settings, embedder=house.embedder, model=house.model)
        with TestClient(other) as there:
            assert get(there, house, name).content == FILE
            TAKEN["the membership"](house)
            assert get(there, house, name).status_code == 404
        assert get(here, house, name).status_code == 404


def test_a_key_that_no_longer_holds_gets_nothing(http: TestClient, house: House):
    name, _ = put(house, FILE)
    house.catalog.keys.revoke(house.keys["ada"].split("_")[1], by=TESTER)
    assert get(http, house, name).status_code == 401


def test_the_file_is_that_of_the_version_that_was_shown(http: TestClient, house: House):
    name, first = put(house, FILE)
    shown = http.get(f"/documents/{name}", headers=house.headers("ada")).json()
    assert shown["original"] == first
    _, second = put(house, OTHER, text="Salaries fall in May.")
    assert get(http, house, name, params={"version": first}).status_code == 404
    assert get(http, house, name, params={"version": second}).content == OTHER
    assert get(http, house, name).content == OTHER


def test_replies_tell_the_version_of_the_text_that_they_show(http: TestClient, house: House):
    name, sha256 = put(house, FILE)
    headers = house.headers("ada")
    found = http.post("/search", json={"question": "salaries"}, headers=headers).json()
    (passage,) = [each for each in found["passages"] if each["document_id"] == name]
    opened = http.get(f"/passages/{passage['id']}", headers=headers).json()
    listed = {
        each["id"]: each for each in http.get("/documents", headers=headers).json()["documents"]
    }
    assert opened["original"] == listed[name]["original"] == sha256
    assert listed[house.ids["menu"]]["original"] is None


def test_a_file_that_is_not_in_the_home_is_none(http: TestClient, house: House):
    name, sha256 = put(house, FILE)
    OriginalFolder(house.settings.home).path_of(sha256).unlink()
    assert get(http, house, name).status_code == 404


def test_a_hidden_document_of_the_same_file_changes_nothing(http: TestClient, house: House):
    name, _ = put(house, FILE)
    before = get(http, house, name, "ada").headers.items()
    put(house, FILE, "group:eng", uri="file:///house/copy.txt", path="copy.pdf")
    during = get(http, house, name, "ada").headers.items()
    house.catalog.documents.delete("file:///house/copy.txt", by=TESTER)
    OriginalFolder(house.settings.home).clean_up(house.catalog.originals, TESTER)
    after = get(http, house, name, "ada")
    assert after.content == FILE
    told = [
        {name: value for name, value in headers if name not in ("x-request-id", "date")}
        for headers in (before, during, after.headers.items())
    ]
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("way", ["the membership", "the version"])
def test_a_body_that_is_being_sent_stops_when_it_may_not_be_read_any_more(
    house: House, monkeypatch: pytest.MonkeyPatch, way: str
):
    import httpx2

    content = b"%PDF-1.7 " + bytes(24_000_000)  # more than lies in any buffer on the way
    name, _ = put(house, content)
    got = 0
    with Loopback(house.app, "on") as server, httpx2.Client(base_url=server.url) as client:
        at = f"/documents/{name}/original"
        with client.stream("GET", at, headers=house.headers("ada")) as reply:
            assert reply.headers["content-length"] == str(len(content))
            pieces = reply.iter_bytes(65_536)
            got += len(next(pieces))
            if way == "the version":
                put(house, OTHER)
            else:
                TAKEN[way](house)
            monkeypatch.setattr("service.answering.permission.FRESH_S", 0.0)
            with pytest.raises(httpx2.RemoteProtocolError):
                got += sum(len(piece) for piece in pieces)
    assert got < len(content)


def test_the_file_of_an_upload_is_that_of_its_readers_until_it_is_deleted(tmp_path: Path):
    with (
        Parsers(Settings(parse_workers=1)) as parsers,
        uploading(tmp_path, parsers, keep_originals=True) as place,
    ):
        name = place.uploaded("a.txt", "The canteen opens at noon.", allow="group:board")
        way = f"/documents/{name}/original"
        assert place.ask("GET", way, "bob").content == b"The canteen opens at noon."
        assert place.ask("GET", way, "eve").status_code == 404
        assert place.ask("DELETE", f"/documents/{name}").status_code == 202
        assert place.ask("GET", way, "bob").status_code == 404
        place.work()
        folder = place.settings.home / "originals"
        assert [path for path in folder.rglob("*") if path.is_file()] == []


# --- how it is told -----------------------------------------------------------------------------


def test_a_file_is_saved_under_its_own_name_unless_it_is_to_be_shown(
    http: TestClient, house: House
):
    name, _ = put(house, FILE)
    saved = get(http, house, name).headers["content-disposition"]
    assert saved == (
        "attachment; filename=\"Geh_lter 2026.pdf\"; filename*=UTF-8''Geh%C3%A4lter%202026.pdf"
    )
    shown = get(http, house, name, params={"inline": "true"})
    assert shown.headers["content-disposition"].startswith("inline; ")
    assert shown.headers["content-type"] == "application/pdf"
    assert shown.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "text/markdown"]
)
def test_what_could_hold_a_script_is_never_shown(http: TestClient, house: House, kind: str):
    name, _ = put(house, b"<script>alert(1)</script>", media_type=kind)
    reply = get(http, house, name, params={"inline": "true"})
    assert reply.headers["content-disposition"].startswith("attachment; ")
    assert reply.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "text/plain", "text/html"])
def test_what_is_no_pdf_stands_in_a_sandbox(http: TestClient, house: House, kind: str):
    name, _ = put(house, FILE, media_type=kind)
    policy = get(http, house, name, params={"inline": "true"}).headers["content-security-policy"]
    assert "sandbox" in policy.split("; ")
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b/report.pdf", "report.pdf"),
        ("a.zip/inner/b.txt", "b.txt"),
        ('q"uo;te\r\nSet-Cookie: x.pdf', "q_uo;te__Set-Cookie_ x.pdf"),
        ("\u202efdp.exe", "_fdp.exe"),
        ("..", "document"),
        (".bashrc", "bashrc"),
        ("a\\b:c.pdf", "a_b_c.pdf"),
        ("broken\udcff.pdf", "broken_.pdf"),
        ("x" * 400 + ".pdf", "x" * 150 + ".pdf"),
    ],
)
def test_a_name_leads_nowhere_and_hides_nothing(path: str, name: str):
    assert safe_name(path) == name


def test_a_strange_name_stays_in_its_header(http: TestClient, house: House):
    name, _ = put(house, FILE, path='a/q"\r\nSet-Cookie: a=b.pdf')
    reply = get(http, house, name)
    assert reply.status_code == 200
    assert "set-cookie" not in reply.headers
    assert "\n" not in reply.headers["content-disposition"]


def test_who_has_it_is_told_so_and_that_is_recorded(http: TestClient, house: House):
    name, sha256 = put(house, FILE)
    reply = get(http, house, name, headers={"If-None-Match": f'"{sha256}"'})
    assert (reply.status_code, reply.content) == (304, b"")
    assert get(http, house, name, headers={"If-None-Match": '"0"'}).status_code == 200
    assert len(recorded(house)) == 2


def test_the_head_alone_tells_the_same_without_the_file(http: TestClient, house: House):
    name, _ = put(house, FILE)
    whole = get(http, house, name)
    head = http.head(f"/documents/{name}/original", headers=house.headers("ada"))
    assert (head.status_code, head.content) == (200, b"")
    for header in ("content-length", "etag", "content-type", "content-disposition"):
        assert head.headers[header] == whole.headers[header]
    assert len(recorded(house)) == 2


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-3", FILE[:4]), ("bytes=9-", FILE[9:]), ("bytes=-4", FILE[-4:])],
)
def test_a_part_is_given(http: TestClient, house: House, wanted: str, part: bytes):
    name, _ = put(house, FILE)
    reply = get(http, house, name, headers={"Range": wanted})
    assert (reply.status_code, reply.content) == (206, part)
    assert reply.headers["content-range"].endswith(f"/{len(FILE)}")


@pytest.mark.parametrize(
    "wanted", ["bytes=5-2", "bytes=99999-", "bytes=-0", "bytes=0-1,3-4", "lines=1-2", "bytes=x-"]
)
def test_an_odd_range_is_passed_over(http: TestClient, house: House, wanted: str):
    name, _ = put(house, FILE)
    reply = get(http, house, name, headers={"Range": wanted})
    assert (reply.status_code, reply.content) == (200, FILE)


def test_a_part_of_another_file_is_never_joined_to_this_one(http: TestClient, house: House):
    name, first = put(house, FILE)
    wanted = {"Range": "bytes=9-", "If-Range": f'"{first}"'}
    assert get(http, house, name, headers=wanted).content == FILE[9:]
    put(house, OTHER)
    assert get(http, house, name, headers=wanted).content == OTHER


def test_nothing_is_told_of_when_the_file_was_taken_in(http: TestClient, house: House):
    name, _ = put(house, FILE)
    assert "last-modified" not in get(http, house, name).headers


def test_what_cannot_be_recorded_is_not_shown(
    http: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
):
    name, _ = put(house, FILE)

    def full(*entries: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(house.app.state.runtime.trail, "record", full)
    assert get(http, house, name).status_code == 500


def test_only_these_kinds_are_shown():
    assert {"application/pdf", "image/png", "image/jpeg", "text/plain"} == originals.INLINE
