"""Mail: the version that says most, everything that came with it, every charset that mail has."""

import base64
import quopri
import struct
from collections.abc import Callable
from email.message import EmailMessage

import pytest

from indexes.errors import SourceRefused
from ingest.elements import ParseOptions
from ingest.partition.mail.lzfu import unpack_rtf
from ingest.partition.mail.secured import signed_text
from ingest.partition.mail.wrapped import unwrap_page
from tests.ingest import files
from tests.ingest.completeness import share_of_words, text_of
from tests.ingest.parsing import headings, losses, parsed

STUB = "Your mail program cannot show this message. Please open it in your browser instead."
RICH = "<h1>Ferry</h1><p>The ferry leaves from jetty nine and takes bicycles from the first of April on.</p>"


def part(kind: str, text: str, more: str = "") -> str:
    return f"Content-Type: {kind}; charset=utf-8\n{more}\n{text}\n"


def multipart(kind: str, *parts: str) -> str:
    mark = f"cut{abs(hash(parts)) % 10_000}"
    inner = "".join(f"--{mark}\n{one}" for one in parts)
    return f'Content-Type: multipart/{kind}; boundary="{mark}"\n\n{inner}--{mark}--\n'


def mail(rest: str, subject: str = "News") -> str:
    return f"From: a@example.org\nTo: b@example.org\nSubject: {subject}\nMIME-Version: 1.0\n{rest}"


def read(tmp_path, rest: str | bytes, **options):
    content = rest if isinstance(rest, bytes) else mail(rest)
    return parsed(tmp_path / "a.eml", content, ParseOptions(ocr=False, **options))


def test_a_stub_never_stands_for_the_body(tmp_path):
    document = read(
        tmp_path, multipart("alternative", part("text/plain", STUB), part("text/html", RICH))
    )
    assert "jetty nine" in text_of(document)
    assert "mail program" not in text_of(document)


def test_a_stub_of_html_never_stands_for_the_body(tmp_path):
    plain = "The ferry leaves from jetty nine and takes bicycles from the first of April on."
    stub = "<p>Open in browser</p>"
    document = read(
        tmp_path, multipart("alternative", part("text/plain", plain), part("text/html", stub))
    )
    assert "jetty nine" in text_of(document)


def test_two_versions_of_one_text_are_one_text_with_its_tables(tmp_path):
    plain = "Fares Ticket Fare Bicycle 25 https://example.org/a/very/long/link?x=1"
    rich = "<p>Fares</p><table><tr><th>Ticket<th>Fare<tr><td>Bicycle<td>25</table>"
    document = read(
        tmp_path, multipart("alternative", part("text/plain", plain), part("text/html", rich))
    )
    assert "Ticket | Fare\nBicycle | 25" in text_of(document)
    assert text_of(document).count("Bicycle") == 1


def test_two_versions_that_say_different_things_are_both_kept(tmp_path):
    plain = " ".join(f"plain{n}" for n in range(80))
    rich = "<p>" + " ".join(f"rich{n}" for n in range(100)) + "</p>"
    document = read(
        tmp_path, multipart("alternative", part("text/plain", plain), part("text/html", rich))
    )
    assert share_of_words(document, f"{plain} {rich.strip('</p>')}") == 1.0


def test_an_alternative_may_be_a_group_with_files(tmp_path):
    table = (
        'Content-Type: text/csv\nContent-Disposition: attachment; filename="list.csv"\n\na,b\n1,2\n'
    )
    inner = multipart("mixed", part("text/html", RICH), table)
    document = read(
        tmp_path, multipart("alternative", part("text/plain", "Sent from my phone."), inner)
    )
    assert share_of_words(document, "jetty nine a b 1 2") == 1.0


def test_every_body_of_a_mixed_message_is_read_in_its_order(tmp_path):
    parts = [
        part("text/html", "<p>one</p>"),
        part("text/plain", "two"),
        part("text/html", "<p>three</p>"),
    ]
    text = text_of(read(tmp_path, multipart("mixed", *parts)))
    assert text.index("one") < text.index("two") < text.index("three")


CALENDAR = (
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20250314T130000Z\nSUMMARY:Talk\nLOCATION:Boat hall\n"
    "DESCRIPTION:Bring helmets\\, boots.\nEND:VEVENT\nEND:VCALENDAR"
)


def test_an_invitation_is_read_beside_the_message(tmp_path):
    document = read(
        tmp_path,
        multipart(
            "alternative", part("text/plain", "You are invited."), part("text/calendar", CALENDAR)
        ),
    )
    assert (
        "Begins: 2025-03-14 13:00 UTC\nPlace: Boat hall\nDescription: Bring helmets, boots."
        in text_of(document)
    )
    assert "You are invited." in text_of(document)


def test_attached_calendars_contacts_and_files_without_an_ending_are_read(tmp_path):
    message = files.letter(
        "Files", "See the files.", ("invite.ics", CALENDAR.encode()),
        ("ada.vcf", b"BEGIN:VCARD\nFN:Ada\nTEL:123\nEND:VCARD"), ("notes", b"Just words."),
        ("data.xyz", b"a,b,c\n1,2,3\n4,5,6\n"),
    )  # fmt: skip
    document = read(tmp_path, bytes(message))
    assert share_of_words(document, "Boat hall Ada 123 Just words 4 5 6") == 1.0
    assert not document.losses


def test_an_attachment_that_cannot_be_read_is_lost_by_name_and_told_why(tmp_path):
    message = files.letter("Data", "See the raw data.", ("raw.xyz", bytes(range(256)) * 9))
    document = read(tmp_path, bytes(message))
    assert losses(document) == ["1 file could not be read: raw.xyz."]
    assert any("binary data" in warning for warning in document.warnings)


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        ("仓库盘点安排".encode("gb18030"), "仓库盘点安排"),
        ("Größe".encode(), "Größe"),
        (b"=?gb2312?B?" + base64.b64encode("镕基".encode("gbk")) + b"?=", "镕基"),
        (b"=?utf-8?Q?Gr=C3?= =?utf-8?Q?=B6=C3=9Fe?= now", "Größe now"),
        (b"=?iso-8859-1?Q?caf=E9?=\n =?iso-8859-1?Q?_noir?=", "café noir"),
        (b"=?x-unknown?Q?caf=E9?=", "café"),
        (b"plain =? not encoded", "plain =? not encoded"),
    ],
)
def test_a_header_is_read_whatever_its_bytes(tmp_path, header, subject):
    head = b"From: a@example.org\nSubject: " + header
    body = "\nContent-Type: text/plain; charset=gb18030\n\n请各班组在周五下班前完成盘点。\n".encode(
        "gb18030"
    )
    assert read(tmp_path, head + body).title == subject


def test_a_file_name_in_raw_bytes_is_read(tmp_path):
    message = mail(multipart("mixed", part("text/plain", "hi"), "HERE"), "x").encode()
    inner = 'Content-Type: text/plain; name="Übersicht.txt"\n\nwords\n'.encode("cp1252")
    document = read(tmp_path, message.replace(b"HERE", inner))
    assert "Übersicht.txt" in [text for _, text in headings(document)]


def test_text_that_was_broken_for_sending_is_whole_again(tmp_path):
    rest = "Content-Type: text/plain; format=flowed\n\nThis goes \non here.\n> quoted \n> too\n-- \nAda\n"
    assert "This goes on here.\n> quoted too\n--\nAda" in text_of(read(tmp_path, rest))


def test_a_file_written_into_the_text_is_read(tmp_path):
    import binascii

    body = binascii.b2a_uu(b"Planks are oak.").decode()
    rest = f"Content-Type: text/plain\n\nSee below.\nbegin 644 planks.txt\n{body}`\nend\n"
    document = read(tmp_path, rest)
    assert text_of(document).endswith("See below.\nplanks.txt\nPlanks are oak.")


def test_a_report_of_delivery_is_text(tmp_path):
    status = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; b@c\nStatus: 5.1.1\n"
    document = read(tmp_path, multipart("report", part("text/plain", "It failed."), status))
    assert share_of_words(document, "It failed Final-Recipient 5.1.1") == 1.0


def test_messages_of_a_mailbox_are_parts_with_their_subjects(tmp_path):
    box = (
        "From a Mon Mar  3 10:00:00 2025\nFrom: a@x\nSubject: Hedge\n\nThe hedge is cut.\n>From here on.\n\n"
        "From b Tue Mar  4 10:00:00 2025\nFrom: b@x\nSubject: Lawn\n\nFrom now on the lawn is cut.\n"
    )
    for name in ("a.mbox", "mail-without-ending"):
        document = parsed(tmp_path / name, box)
        assert headings(document) == [(1, "Hedge"), (1, "Lawn")]
        assert [(e.page, e.page_name) for e in document.elements if "cut" in e.text] == [
            (1, "Hedge"),
            (2, "Lawn"),
        ]
        assert share_of_words(document, "The hedge is cut From here on now the lawn") == 1.0


def test_a_saved_page_is_read_as_a_page(tmp_path):
    page = multipart(
        "related",
        part("text/html", "<title>Quay</title><p>Ring four.</p>"),
        "Content-Type: image/png\n\nx\n",
    )
    document = parsed(
        tmp_path / "a.mht", f"From: <Saved>\nSubject: Page\nMIME-Version: 1.0\n{page}"
    )
    assert (document.title, text_of(document)) == ("Quay", "Ring four.")
    assert losses(document) == ["1 picture was not read: of the stored page."]


# --- Outlook ------------------------------------------------------------------------------------


def tnef(body: str, name: str, data: bytes) -> bytes:
    def attribute(level: int, number: int, value: bytes) -> bytes:
        return (
            struct.pack("<BII", level, number, len(value))
            + value
            + struct.pack("<H", sum(value) & 0xFFFF)
        )

    return (
        struct.pack("<IH", 0x223E9F78, 1)
        + attribute(1, 0x00069007, struct.pack("<II", 1251, 0))
        + attribute(1, 0x0002800C, body.encode("cp1251") + b"\r\n\0")
        + attribute(2, 0x00069002, b"\0" * 14)
        + attribute(2, 0x00018010, name.encode("cp1251") + b"\0")
        + attribute(2, 0x0006800F, data)
    )


def test_winmail_dat_is_its_body_and_its_files_in_its_code_page(tmp_path):
    wrapped = tnef("Канал чистят в июне.", "цены.txt", b"Dredging costs 90.")
    document = read(
        tmp_path, bytes(files.letter("Plan", "See the file.", ("winmail.dat", wrapped)))
    )
    assert share_of_words(document, "Канал чистят в июне цены Dredging costs 90") == 1.0
    assert share_of_words(parsed(tmp_path / "a.tnef", wrapped), "Канал чистят Dredging") == 1.0


def test_a_winmail_dat_whose_end_is_missing_is_damaged_and_told(tmp_path):
    cut = tnef("Body", "a.txt", b"x" * 500)[:-100]
    document = read(tmp_path, bytes(files.letter("Plan", "See the file.", ("winmail.dat", cut))))
    assert losses(document) == ["1 file could not be read: winmail.dat."]


def test_an_outlook_message_is_read_in_its_code_page_with_messages_inside(tmp_path):
    inner = files.outlook("Старое", "Ночной паром отменён.", code_page=1251, inner=True)
    tree = files.outlook(
        "Расписание",
        "История линии приложена.",
        [("a.txt", b"Hemp."), ("m", inner)],
        code_page=1251,
    )
    document = parsed(tmp_path / "a.msg", files.container(tree))
    assert document.title == "Расписание"
    assert (
        share_of_words(document, "История линии приложена Старое Ночной паром отменён Hemp") == 1.0
    )
    assert (2, "Старое") in headings(document)


def test_messages_in_messages_are_followed_only_so_far_and_counted(tmp_path):
    tree = files.outlook("Letter 0", "This is letter 0.", inner=True)
    for n in range(1, 7):
        tree = files.outlook(f"Letter {n}", f"This is letter {n}.", [("m", tree)], inner=n < 6)
    document = parsed(tmp_path / "a.msg", files.container(tree))
    assert "letter 3." in text_of(document)
    assert "letter 2." not in text_of(document)
    assert losses(document) == [
        "1 file lies beyond a limit and was not read: more than 3 files deep."
    ]


def test_packed_rich_text_is_unpacked():
    packed = (
        b"\x2d\x00\x00\x00\x2b\x00\x00\x00\x4c\x5a\x46\x75\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\x72\x63\x70\x67\x31\x32\x35"
        b"\x42\x32\x0a\xf3\x20\x68\x65\x6c\x09\x00\x20\x62\x77\x05\xb0\x6c\x64\x7d\x0a\x80\x0f\xa0"
    )
    assert unpack_rtf(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert unpack_rtf(b"damaged") == b""


def test_an_attachment_on_which_a_reader_fails_is_told_and_the_message_is_read(
    tmp_path, monkeypatch
):
    message = EmailMessage()
    message["Subject"] = "Kite"
    message.set_content("The kite is red.")
    message.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="t.csv")

    def fail(*given):
        raise ZeroDivisionError("no")

    monkeypatch.setattr("ingest.partition.attachments.reader_of", lambda kind: fail)
    document = parsed(tmp_path / "a.eml", message.as_bytes())
    assert "The kite is red." in text_of(document)
    assert [(loss.kind, loss.detail) for loss in document.losses] == [("part", "t.csv")]


WRAPPED = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset204 Arial Cyr;}}"
    rb"\uc1\pard\plain\f0{\*\htmltag19 <html>}{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Gr\'f6\'dfe"
    rb"{\*\htmltag84 &lt;}\htmlrtf <\htmlrtf0 9 \u8211?{\f1 \'d1\'ea\'eb\'e0\'e4}\htmlrtf\par}\htmlrtf0"
    rb"{\*\mhtmltag72 <p>unseen</p>}{\*\htmltag72 </p>}{\*\htmltag64 <table><tr><th>}Ship{\*\htmltag64 </th><th>}"
    rb"Tons{\*\htmltag64 </th></tr><tr><td title=\'e4>}Heron{\*\htmltag64 </td><td>}812"
    rb"{\*\htmltag64 </td></tr></table></html>}}"
)


def test_a_page_that_is_wrapped_in_rich_text_is_a_page_again():
    assert unwrap_page(WRAPPED) == (
        "<html><p>Größe&lt;9 –Склад</p><table><tr><th>Ship</th><th>Tons</th></tr>"
        "<tr><td title=ä>Heron</td><td>812</td></tr></table></html>"
    )
    deep = unwrap_page(b"{\\rtf1\\fromhtml1 " + b"{" * 200_000 + b"\\u-1 \\'f6" + b"}" * 300_000)
    assert deep.strip("\ufffd\uffff") in ("", "ö")


def test_a_wrapped_page_in_a_message_keeps_its_table(tmp_path):
    packed = struct.pack("<IIII", len(WRAPPED) + 12, len(WRAPPED), 0x414C454D, 0) + WRAPPED
    tree = {**files.outlook("Tons", "", code_page=1252), "__substg1.0_10090102": packed}
    stored = parsed(tmp_path / "a.msg", files.container(tree))
    sent = read(
        tmp_path,
        "Content-Type: application/rtf\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(WRAPPED).decode(),
    )
    for document in (stored, sent):
        (table,) = (one.table for one in document.elements if one.table)
        assert table.rows == (("Ship", "Tons"), ("Heron", "812"))
        assert "Größe<9 –Склад" in text_of(document)


INNER = (
    "From: x@example.org\r\nTo: y@example.org\r\nSubject: =?utf-8?q?F=C3=A4hre?=\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "The inner f=C3=A4hre sails at 05=3A40, says a line that is so long that it was broken=\r\n up.\r\n"
)


def _packed(way: str) -> str:
    if way == "base64":
        return base64.encodebytes(INNER.encode()).decode()
    return quopri.encodestring(INNER.encode()).decode() if way == "quoted-printable" else INNER


@pytest.mark.parametrize(
    ("told", "done"),
    [("base64", "base64"), ("quoted-printable", "quoted-printable"), ("quoted-printable", "7bit"), ("base64", "7bit")],
)  # fmt: skip
def test_a_forwarded_message_is_read_however_it_was_packed(tmp_path, told, done):
    forwarded = (
        f"Content-Type: message/rfc822\nContent-Transfer-Encoding: {told}\n\n{_packed(done)}\n"
    )
    document = read(tmp_path, multipart("mixed", part("text/plain", "Look."), forwarded))
    assert (
        "The inner fähre sails at 05:40, says a line that is so long that it was broken up."
        in text_of(document)
    )
    assert "Fähre" in [text for _, text in headings(document)]
    assert losses(document) == []


def test_a_packed_report_of_delivery_is_read(tmp_path):
    report = "Reporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; a@b\nAction: failed\n"
    packed = base64.encodebytes(report.encode()).decode()
    told = f"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n{packed}\n"
    document = read(tmp_path, multipart("report", part("text/plain", "Sorry."), told))
    assert "Action: failed" in text_of(document)


def test_a_receipt_is_read(tmp_path):
    told = (
        "Content-Type: message/disposition-notification\n\nDisposition: manual-action; displayed\n"
    )
    document = read(tmp_path, multipart("report", part("text/plain", "It was read."), told))
    assert "Disposition: manual-action; displayed" in text_of(document)
    assert losses(document) == []


SEALED = "Content-Type: text/plain; charset=utf-8\r\n\r\nGate 14 is shut für alle.\r\n".encode()
PGP = "-----BEGIN PGP MESSAGE-----\n\nhQEMA9abcdefgh\n=abcd\n-----END PGP MESSAGE-----\n"


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content).to_bytes(4, "big")
    return bytes((tag, 0x84)) + size + content


def _open_ended(tag: int, *parts: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(parts) + b"\0\0"


def _signed(text: bytes, wrap: Callable[..., bytes] = _der, kind: int = 2) -> bytes:
    names = [_der(6, bytes.fromhex("2a864886f70d0107") + bytes((n,))) for n in (kind, 1)]
    octets = (
        _der(4, text)
        if wrap is _der
        else wrap(0x24, _der(4, text[:9]), wrap(0x24, _der(4, text[9:])))
    )
    ways = wrap(0x31, wrap(0x30, _der(6, b"\x2a")))
    inside = wrap(
        0x30, _der(2, b"\1"), ways, wrap(0x30, names[1], wrap(0xA0, octets)), _der(0x31, b"")
    )
    return wrap(0x30, names[0], wrap(0xA0, inside))


def _sealed_part(data: bytes, more: str = "") -> str:
    return (
        f"Content-Type: application/pkcs7-mime; name=smime.p7m{more}\nContent-Disposition: attachment; filename=smime.p7m\n"
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(data).decode()}"
    )


@pytest.mark.parametrize("wrap", [_der, _open_ended])
def test_the_text_inside_a_signature_is_read(tmp_path, wrap):
    data = _signed(SEALED, wrap)
    assert signed_text(data) == SEALED
    document = read(tmp_path, _sealed_part(data))
    assert "Gate 14 is shut für alle." in text_of(document)
    assert losses(document) == []
    twice = _signed(_sealed_part(data).encode(), wrap)
    assert "Gate 14" in text_of(read(tmp_path, _sealed_part(twice)))


@pytest.mark.parametrize("kind", ["IPM.Note.SMIME", "IPM.Note.SMIME.MultipartSigned"])
def test_a_signed_message_of_outlook_is_read(tmp_path, kind):
    beside = mail(multipart("signed", SEALED.decode())).encode()
    data = beside if "Multipart" in kind else _signed(SEALED)
    tree = files.outlook("Gate", "", [("smime.p7m", data)])
    tree["__substg1.0_001A001F"] = kind.encode("utf-16-le")
    document = parsed(tmp_path / "a.msg", files.container(tree))
    assert "Gate 14 is shut für alle." in text_of(document)
    assert losses(document) == []


def test_signed_bytes_that_lie_about_their_length_hold_nothing():
    whole = _signed(SEALED, _open_ended)
    for data in (
        *(whole[:n] for n in range(0, len(whole) - 20, 7)),
        b"\x30\x80" * 100_000,
        b"\x24\x80" * 9,
    ):
        assert signed_text(data) is None
    assert signed_text(_signed(SEALED, kind=3)) is None
    for at in range(len(whole)):
        signed_text(whole[:at] + b"\xff" + whole[at + 1 :])


@pytest.mark.parametrize(
    "rest",
    [
        _sealed_part(_signed(SEALED, kind=3)),
        f"Content-Type: text/plain\n\n{PGP}",
        multipart("encrypted", part("application/pgp-encrypted", "Version: 1"), part("application/octet-stream", PGP)),
    ],
)  # fmt: skip
def test_a_message_that_is_all_encrypted_is_refused_and_a_part_is_counted(tmp_path, rest):
    with pytest.raises(SourceRefused, match="encrypted"):
        read(tmp_path, rest)
    document = read(tmp_path, multipart("mixed", part("text/plain", "Open the gate."), rest))
    assert "Open the gate." in text_of(document)
    assert losses(document) == ["1 part could not be read: encrypted."]
    assert document.warnings == ("A part of it is encrypted and was not read.",)
    assert "hQEMA9" not in text_of(document)


def test_text_signed_with_pgp_stays_without_its_signature(tmp_path):
    text = (
        "Before.\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nThe gate is shut.\n- --\n- -----BEGIN it is not\n"
        "-----BEGIN PGP SIGNATURE-----\nVersion: 1\n\niQEzBAEBCAAd\n=abcd\n-----END PGP SIGNATURE-----\nAfter.\n"
    )
    document = read(tmp_path, f"Content-Type: text/plain\n\n{text}")
    said = text_of(document).split("Subject")[-1]
    for kept in ("Before.", "The gate is shut.\n--\n-----BEGIN it is not", "After."):
        assert kept in said
    assert not {"SHA256", "iQEzBAEBCAAd"} & set(said.split())
