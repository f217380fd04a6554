"""What a file is: its content decides, its name only helps, and whatever is at odds is told."""

import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import msoffcrypto
import olefile

from indexes.errors import SourceBroken, SourceEmpty, SourceRefused
from indexes.formats import BY_ENDING, FORMATS, KNOWN_ENDINGS, UNREAD_ENDINGS, Family, Format
from ingest.elements import ParseOptions
from ingest.partition.context import ParseContext
from ingest.partition.encodings import wide_encoding
from ingest.partition.guards import failure_as_damage, read_optional
from ingest.partition.text_kinds import judge_text

MEGABYTE = 1_000_000
HEAD_BYTES = 8_192
MAX_ZERO_SHARE = 0.15  # of the bytes of a text
PDF_WITHIN = 1_024  # a PDF may begin after other bytes
UTF_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
LOCKED = "It is protected with a password."
UNLOCK = "Store a copy without the password."
_MANIFEST = "META-INF/manifest.xml"
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257


def identify_format(path: Path, work: ParseContext) -> Format:
    """The format of a file by its content; a warning if its name tells another one.

    Raises SourceRefused (of no known kind, too large, encrypted, a bomb), SourceBroken,
    SourceEmpty.
    """
    suffix = path.suffix.lower()
    named = BY_ENDING.get(suffix)
    if suffix in UNREAD_ENDINGS:
        raise SourceRefused(f"Files ending in {suffix} cannot be read.", remedy=KNOWN_ENDINGS)
    _check_size(path, work.options)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    family = _family_of(head)
    if family is None:
        _refuse_unknown(named, suffix)
    kind = _judge(path, family, named, head, work.options)
    if named is not None and kind is not named and _contradicts(kind, named):
        work.warn(
            f"It is named {suffix} but holds {_describe(kind)}; it was read as what it holds."
        )
    return kind


def _check_size(path: Path, options: ParseOptions) -> None:
    size = path.stat().st_size
    if size == 0:
        raise SourceEmpty("It has no bytes.")
    if size > options.max_file_mb * MEGABYTE:
        raise SourceRefused(
            f"It has {size / MEGABYTE:.0f} MB; the limit is {options.max_file_mb} MB.",
            remedy="Split the file, or raise CLEARANCE_MAX_FILE_MB.",
        )


def _refuse_unknown(named: Format | None, suffix: str) -> None:
    if named is not None and named.family != "text":
        raise SourceBroken(f"It is named {suffix} but does not begin like one.")
    called = f"It is named {suffix} but" if named is not None else "It"
    raise SourceRefused(f"{called} holds binary data of no known kind.", remedy=KNOWN_ENDINGS)


def _family_of(head: bytes) -> Family | None:
    """The family that the first bytes tell; None if they look like no accepted kind of file."""
    for each in FORMATS.values():
        if _begins_like(each, head):
            return each.family
    if head[_TAR_MARK_AT:].startswith(_TAR_MARK):
        return "packed"
    return "text" if _looks_like_text(head) else None


def _begins_like(kind: Format, head: bytes) -> bool:
    """Whether a file that begins so could be of this format."""
    if kind.family == "pdf":
        if head.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(kind.begins):
            return True
        return any(first in head[:PDF_WITHIN] for first in kind.begins) and not _looks_like_text(
            head
        )
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
    if wide_encoding(head):
        return True
    controls = sum(byte < 9 or (13 < byte < 32 and byte not in (26, 27)) for byte in head)
    return controls <= max(1, len(head) // 50) or _is_text_with_zeros(head)


def _is_text_with_zeros(head: bytes) -> bool:
    """Whether it is a text in which a program left room that it did not fill: lines of UTF-8, and
    a few zeros, which are its only signs that no text has.
    """
    rest = head.replace(b"\0", b"")
    if b"\n" not in rest or len(rest) * MAX_ZERO_SHARE < len(head) - len(rest):
        return False
    try:
        text = rest.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(rest) - 3:  # not only a character that the end of the sample cuts
            return False
        text = rest[: error.start].decode("utf-8")
    return not any(char < " " and char not in "\t\n\f\r\x1b" for char in text)


def _judge(
    path: Path, family: Family | None, named: Format | None, head: bytes, options: ParseOptions
) -> Format:
    if family == "zip":
        return _judge_zip(path, named, options)
    if family == "ole":
        return _judge_ole(path, named)
    if family == "text":
        return judge_text(path, named if named and named.family == "text" else None, head, named)
    if named is not None and named.family == family and family != "image":
        return named
    return next(
        (each for each in FORMATS.values() if each.family == family and _begins_like(each, head)),
        FORMATS["packed"],
    )


def _contradicts(kind: Format, named: Format) -> bool:
    """Whether a reader of the name would be surprised."""
    if kind.family == "image" and named.family == "image":
        return False
    return {kind.name, named.name} not in (
        {"json", "ipynb"},
        {"eml", "mht"},
        {"eml", "mbox"},
        {"json", "jsonl"},
    )


def _describe(kind: Format) -> str:
    return {
        "zip": f"a .{kind.name} container",
        "packed": "an archive",
        "ole": f"an old binary Office file (.{kind.name})",
        "text": f"text (.{kind.name})",
    }.get(kind.family, f"{kind.family} data")


def _judge_zip(path: Path, named: Format | None, options: ParseOptions) -> Format:
    """Which container it is. Raises SourceBroken, SourceRefused."""
    names, told, locked, all_locked = _check_zip(path, options)
    declared = "[Content_Types].xml" in names or "mimetype" in names
    fitting = [
        each
        for each in FORMATS.values()
        if each.family == "zip"
        and each.mark
        and (declared or each is named or each.mark.startswith("META-INF/"))
        and any(name.startswith(each.mark) for name in names)
    ]
    told_kind = next((each for each in fitting if told and each.media_type.encode() == told), None)
    kind = told_kind or (named if named in fitting else next(iter(fitting), FORMATS["zip"]))
    plain = kind.name == "zip"
    if all_locked if plain else locked:
        raise SourceRefused(LOCKED, remedy=UNLOCK)
    if plain and not any(not name.endswith("/") for name in names):
        wanted = named.name if named is not None and named.family == "zip" else "zip"
        raise SourceRefused(
            f"Its container is not that of a .{wanted} file: there is nothing in it.",
            remedy="Give the file the ending of what it is.",
        )
    return kind


def _check_sizes(entries: Sequence[zipfile.ZipInfo], packed: int, options: ParseOptions) -> None:
    """Raises SourceRefused. packed: bytes of the whole container."""
    if len(entries) > options.max_entries:
        raise SourceRefused(
            f"Its container has {len(entries)} entries; the limit is {options.max_entries}."
        )
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > options.max_unpacked_mb * MEGABYTE:
        raise SourceRefused(
            f"It unpacks to {unpacked / MEGABYTE:.0f} MB; the limit is {options.max_unpacked_mb} MB."
        )
    if unpacked > MEGABYTE and unpacked > options.max_unpack_ratio * packed:
        raise SourceRefused(
            f"It unpacks to {unpacked / packed:.0f} times its size; the limit is {options.max_unpack_ratio}."
        )


def _check_zip(path: Path, options: ParseOptions) -> tuple[list[str], bytes, bool, bool]:
    """(names of its entries, the media type that it tells, whether one, whether all are locked)"""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            manifest = archive.read(_MANIFEST) if _is_small(archive, _MANIFEST) else b""
            told = archive.read("mimetype").strip() if _is_small(archive, "mimetype") else b""
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise SourceBroken(f"Its zip container cannot be read: {error}.") from error
    except RuntimeError as error:  # zipfile's way to ask for a password
        raise SourceRefused(LOCKED, remedy=UNLOCK) from error
    _check_sizes(entries, path.stat().st_size, options)
    locked = [bool(entry.flag_bits & 1) for entry in entries if not entry.is_dir()]
    sealed = b"encryption-data" in manifest
    return (
        [entry.filename for entry in entries],
        told,
        any(locked) or sealed,
        bool(locked) and all(locked),
    )


def _is_small(archive: zipfile.ZipFile, name: str) -> bool:
    return name in archive.namelist() and archive.getinfo(name).file_size < MEGABYTE


def _judge_ole(path: Path, named: Format | None) -> Format:
    """Which old Office file it is. Raises SourceBroken, SourceRefused."""
    with (
        failure_as_damage(lambda error: f"Its container cannot be read: {error}."),
        olefile.OleFileIO(path) as ole,
    ):
        streams = {entry[0] for entry in ole.listdir()}
    if "EncryptedPackage" in streams or (
        "__properties_version1.0" not in streams and _is_encrypted(path)
    ):
        raise SourceRefused(LOCKED, remedy=UNLOCK)
    if "Book" in streams:
        return FORMATS["xls"]
    fitting = [each for each in FORMATS.values() if each.family == "ole" and each.mark in streams]
    if not fitting:
        called = named.name if named is not None else "known"
        raise SourceRefused(
            f"Its container is not that of a .{called} file.",
            remedy="Give the file the ending of what it is.",
        )
    return named if named in fitting else fitting[0]


def _is_encrypted(path: Path) -> bool:
    def ask() -> bool:
        with path.open("rb") as file:
            return bool(msoffcrypto.OfficeFile(file).is_encrypted())

    return read_optional(ask, False)  # a file that cannot be judged is left to the parser


def is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except OSError:
        return False
