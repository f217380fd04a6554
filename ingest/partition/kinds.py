"""What a file is: by its name and by its first bytes, which must agree before any parser sees it."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msoffcrypto
import olefile

from indexes.errors import SourceBroken, SourceEmpty, SourceRefused
from ingest.elements import ParseOptions

Family = Literal["pdf", "zip", "ole", "rtf", "image", "text"]

MEGABYTE = 1_000_000
HEAD_BYTES = 8_192
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
UTF_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
IMAGE_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"RIFF": "webp",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One accepted format."""

    name: str
    media_type: str
    family: Family
    mark: str = ""  # a zip entry or an OLE stream that only this format has


_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_KINDS = {
    ".pdf": Kind("pdf", "application/pdf", "pdf"),
    ".docx": Kind("docx", _OFFICE + "wordprocessingml.document", "zip", "word/"),
    ".pptx": Kind("pptx", _OFFICE + "presentationml.presentation", "zip", "ppt/"),
    ".xlsx": Kind("xlsx", _OFFICE + "spreadsheetml.sheet", "zip", "xl/"),
    ".odt": Kind("odt", _OPEN + "text", "zip", "content.xml"),
    ".odp": Kind("odp", _OPEN + "presentation", "zip", "content.xml"),
    ".ods": Kind("ods", _OPEN + "spreadsheet", "zip", "content.xml"),
    ".epub": Kind("epub", "application/epub+zip", "zip", "META-INF/container.xml"),
    ".doc": Kind("doc", "application/msword", "ole", "WordDocument"),
    ".ppt": Kind("ppt", "application/vnd.ms-powerpoint", "ole", "PowerPoint Document"),
    ".xls": Kind("xls", "application/vnd.ms-excel", "ole", "Workbook"),
    ".msg": Kind("msg", "application/vnd.ms-outlook", "ole", "__properties_version1.0"),
    ".rtf": Kind("rtf", "application/rtf", "rtf"),
    ".html": Kind("html", "text/html", "text"),
    ".md": Kind("md", "text/markdown", "text"),
    ".txt": Kind("txt", "text/plain", "text"),
    ".csv": Kind("csv", "text/csv", "text"),
    ".tsv": Kind("csv", "text/tab-separated-values", "text"),
    ".eml": Kind("eml", "message/rfc822", "text"),
    ".png": Kind("image", "image/png", "image"),
    ".jpg": Kind("image", "image/jpeg", "image"),
    ".tif": Kind("image", "image/tiff", "image"),
    ".bmp": Kind("image", "image/bmp", "image"),
    ".gif": Kind("image", "image/gif", "image"),
    ".webp": Kind("image", "image/webp", "image"),
}
_ALIASES = {
    ".htm": ".html", ".xhtml": ".html", ".markdown": ".md", ".mdown": ".md", ".text": ".txt", ".log": ".txt",
    ".rst": ".txt", ".tab": ".tsv", ".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif",
}  # fmt: skip
SUFFIXES = frozenset(_KINDS) | frozenset(_ALIASES)
"""Every file name ending that can be parsed, in lower case, with its dot."""


def identify(path: Path, options: ParseOptions) -> Kind:
    """The kind of a file whose name and content agree and whose size is bounded.

    Raises SourceRefused (unknown, too large, encrypted, a bomb, name and content at odds), SourceBroken, SourceEmpty.
    """
    suffix = path.suffix.lower()
    kind = _KINDS.get(_ALIASES.get(suffix, suffix))
    if kind is None:
        raise SourceRefused(f"Files ending in {suffix or 'nothing'} cannot be read.", remedy=_known())
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
    _agree(kind, _family(head), suffix, path)
    if kind.family == "zip":
        _check_zip(path, kind, options)
    elif kind.family == "ole":
        _check_ole(path, kind)
    return kind


def _known() -> str:
    return "Known endings: " + " ".join(sorted(SUFFIXES)) + "."


def _family(head: bytes) -> Family | None:
    """The family that the first bytes tell; None where they look like no accepted kind of file."""
    if head.startswith(ZIP_MAGIC):
        return "zip"
    if head.startswith(OLE_MAGIC):
        return "ole"
    if head.lstrip().startswith(b"{\\rtf"):
        return "rtf"
    if b"%PDF-" in head[:1024]:
        return "pdf"
    for magic, name in IMAGE_MAGIC.items():
        if head.startswith(magic) and _really(name, head):
            return "image"
    return "text" if _texty(head) else None


def _really(image: str, head: bytes) -> bool:
    """Two-letter marks also begin ordinary words; their headers say more."""
    if image == "bmp":
        return head[6:10] == b"\0\0\0\0" and len(head) > 26
    return image != "webp" or head[8:12] == b"WEBP"


def _texty(head: bytes) -> bool:
    if head.startswith(UTF_MARKS):
        return True
    evens, odds = head[::2].count(0), head[1::2].count(0)
    if max(evens, odds) * 5 >= len(head):  # UTF-16 without a mark has its zeros on one side
        return min(evens, odds) * 20 < max(evens, odds)
    controls = sum(byte < 9 or (13 < byte < 32 and byte not in (26, 27)) for byte in head)
    return controls <= len(head) // 50


def _agree(kind: Kind, family: Family | None, suffix: str, path: Path) -> None:
    if family == kind.family:
        return
    if kind.family == "zip" and family == "ole":
        if _encrypted(path):
            raise SourceRefused("It is protected with a password.", remedy="Store a copy without the password.")
        raise SourceRefused(
            f"It is named {suffix} but holds an old binary Office file.", remedy=_rename("doc, xls or ppt")
        )
    if family is None and kind.family != "text":
        raise SourceBroken(f"It is named {suffix} but does not begin like one.")
    content = {"zip": "a zip container", "ole": "an old binary Office file", None: "binary data"}.get(
        family, f"{family} data"
    )
    raise SourceRefused(f"It is named {suffix} but holds {content}.", remedy=_rename("what it is"))


def _rename(what: str) -> str:
    return f"Give the file the ending of {what}."


def _check_zip(path: Path, kind: Kind, options: ParseOptions) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            manifest = archive.read("META-INF/manifest.xml") if _small(archive, "META-INF/manifest.xml") else b""
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise SourceBroken(f"Its zip container cannot be read: {error}.") from error
    except RuntimeError as error:  # zipfile's way to ask for a password
        raise SourceRefused("It is protected with a password.", remedy="Store a copy without the password.") from error
    if len(entries) > options.max_entries:
        raise SourceRefused(f"Its container has {len(entries)} entries; the limit is {options.max_entries}.")
    unpacked, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if unpacked > options.max_unpacked_mb * MEGABYTE:
        raise SourceRefused(f"It unpacks to {unpacked / MEGABYTE:.0f} MB; the limit is {options.max_unpacked_mb} MB.")
    if unpacked > MEGABYTE and unpacked > options.max_unpack_ratio * packed:
        raise SourceRefused(
            f"It unpacks to {unpacked / packed:.0f} times its size; the limit is {options.max_unpack_ratio}."
        )
    if any(entry.flag_bits & 1 for entry in entries) or b"encryption-data" in manifest:
        raise SourceRefused("It is protected with a password.", remedy="Store a copy without the password.")
    names = [entry.filename for entry in entries]
    if not any(name.startswith(kind.mark) for name in names):
        raise SourceRefused(f"Its container is not that of a .{kind.name} file.", remedy=_rename("what it is"))


def _small(archive: zipfile.ZipFile, name: str) -> bool:
    return name in archive.namelist() and archive.getinfo(name).file_size < MEGABYTE


def _check_ole(path: Path, kind: Kind) -> None:
    try:
        with olefile.OleFileIO(path) as ole:
            streams = {entry[0] for entry in ole.listdir()}
    except Exception as error:  # olefile raises what its structures happen to raise
        raise SourceBroken(f"Its container cannot be read: {error}.") from error
    if kind.name != "msg" and _encrypted(path):
        raise SourceRefused("It is protected with a password.", remedy="Store a copy without the password.")
    if kind.mark not in streams and not (kind.name == "xls" and "Book" in streams):
        raise SourceRefused(f"Its container is not that of a .{kind.name} file.", remedy=_rename("what it is"))


def _encrypted(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(msoffcrypto.OfficeFile(file).is_encrypted())
    except Exception:  # a file that it cannot judge is left to the parser
        return False
