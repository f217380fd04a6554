"""What a file is: by its name and by its first bytes, which must agree before any parser sees it."""

import zipfile
from pathlib import Path

import msoffcrypto
import olefile

from indexes.errors import SourceBroken, SourceEmpty, SourceRefused
from indexes.formats import BY_ENDING, FORMATS, KNOWN_ENDINGS, Family, Format
from ingest.elements import ParseOptions

MEGABYTE = 1_000_000
HEAD_BYTES = 8_192
PDF_WITHIN = 1_024  # a PDF may begin after other bytes
UTF_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def identify_format(path: Path, options: ParseOptions) -> Format:
    """The format of a file whose name and content agree and whose size is bounded.

    Raises SourceRefused (unknown, too large, encrypted, a bomb, name and content at odds),
    SourceBroken, SourceEmpty.
    """
    suffix = path.suffix.lower()
    kind = BY_ENDING.get(suffix)
    if kind is None:
        unknown = f"Files ending in {suffix or 'nothing'} cannot be read."
        raise SourceRefused(unknown, remedy=KNOWN_ENDINGS)
    size = path.stat().st_size
    if size == 0:
        raise SourceEmpty("It has no bytes.")
    if size > options.max_file_mb * MEGABYTE:
        raise SourceRefused(
            f"It has {size / MEGABYTE:.0f} MB; the limit is {options.max_file_mb} MB.",
            remedy="Split the file, or raise CLEARANCE_MAX_FILE_MB.",
        )
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    _require_agreement(kind, _family_of(head), suffix, path)
    if kind.family == "zip":
        _check_zip(path, kind, options)
    elif kind.family == "ole":
        _check_ole(path, kind)
    return kind


def _family_of(head: bytes) -> Family | None:
    """The family that the first bytes tell; None if they look like no accepted kind of file."""
    for each in FORMATS.values():
        if _begins_like(each, head):
            return each.family
    return "text" if _looks_like_text(head) else None


def _begins_like(kind: Format, head: bytes) -> bool:
    """Whether a file that begins so could be of this format."""
    if kind.family == "pdf":
        return any(first in head[:PDF_WITHIN] for first in kind.begins)
    if not (head.lstrip() if kind.family == "rtf" else head).startswith(kind.begins):
        return False
    if kind.name == "bmp":  # two letters also begin ordinary words; the header says more
        return head[6:10] == b"\0\0\0\0" and len(head) > 26
    return kind.name != "webp" or head[8:12] == b"WEBP"


def _looks_like_text(head: bytes) -> bool:
    if head.startswith(UTF_MARKS):
        return True
    evens, odds = head[::2].count(0), head[1::2].count(0)
    if max(evens, odds) * 5 >= len(head):  # UTF-16 without a mark has its zeros on one side
        return min(evens, odds) * 20 < max(evens, odds)
    controls = sum(byte < 9 or (13 < byte < 32 and byte not in (26, 27)) for byte in head)
    return controls <= len(head) // 50


def _require_agreement(kind: Format, family: Family | None, suffix: str, path: Path) -> None:
    if family == kind.family:
        return
    if kind.family == "zip" and family == "ole":
        if _is_encrypted(path):
            raise SourceRefused(
                "It is protected with a password.", remedy="Store a copy without the password."
            )
        raise SourceRefused(
            f"It is named {suffix} but holds an old binary Office file.",
            remedy=_rename_remedy("doc, xls or ppt"),
        )
    if family is None and kind.family != "text":
        raise SourceBroken(f"It is named {suffix} but does not begin like one.")
    content = {
        "zip": "a zip container",
        "ole": "an old binary Office file",
        None: "binary data",
    }.get(family, f"{family} data")
    raise SourceRefused(
        f"It is named {suffix} but holds {content}.", remedy=_rename_remedy("what it is")
    )


def _rename_remedy(what: str) -> str:
    return f"Give the file the ending of {what}."


def _check_zip(path: Path, kind: Format, options: ParseOptions) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            manifest = (
                archive.read("META-INF/manifest.xml")
                if _is_small(archive, "META-INF/manifest.xml")
                else b""
            )
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise SourceBroken(f"Its zip container cannot be read: {error}.") from error
    except RuntimeError as error:  # zipfile's way to ask for a password
        raise SourceRefused(
            "It is protected with a password.", remedy="Store a copy without the password."
        ) from error
    if len(entries) > options.max_entries:
        raise SourceRefused(
            f"Its container has {len(entries)} entries; the limit is {options.max_entries}."
        )
    unpacked, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if unpacked > options.max_unpacked_mb * MEGABYTE:
        raise SourceRefused(
            f"It unpacks to {unpacked / MEGABYTE:.0f} MB; the limit is {options.max_unpacked_mb} MB."
        )
    if unpacked > MEGABYTE and unpacked > options.max_unpack_ratio * packed:
        raise SourceRefused(
            f"It unpacks to {unpacked / packed:.0f} times its size; the limit is {options.max_unpack_ratio}."
        )
    if any(entry.flag_bits & 1 for entry in entries) or b"encryption-data" in manifest:
        raise SourceRefused(
            "It is protected with a password.", remedy="Store a copy without the password."
        )
    names = [entry.filename for entry in entries]
    if not any(name.startswith(kind.mark) for name in names):
        raise SourceRefused(
            f"Its container is not that of a .{kind.name} file.",
            remedy=_rename_remedy("what it is"),
        )


def _is_small(archive: zipfile.ZipFile, name: str) -> bool:
    return name in archive.namelist() and archive.getinfo(name).file_size < MEGABYTE


def _check_ole(path: Path, kind: Format) -> None:
    try:
        with olefile.OleFileIO(path) as ole:
            streams = {entry[0] for entry in ole.listdir()}
    except Exception as error:  # olefile raises what its structures happen to raise
        raise SourceBroken(f"Its container cannot be read: {error}.") from error
    if kind.name != "msg" and _is_encrypted(path):
        raise SourceRefused(
            "It is protected with a password.", remedy="Store a copy without the password."
        )
    if kind.mark not in streams and not (kind.name == "xls" and "Book" in streams):
        raise SourceRefused(
            f"Its container is not that of a .{kind.name} file.",
            remedy=_rename_remedy("what it is"),
        )


def _is_encrypted(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(msoffcrypto.OfficeFile(file).is_encrypted())
    except Exception:  # a file that it cannot judge is left to the parser
        return False
