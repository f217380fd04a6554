"""Calendars and address books: every entry under its name, one line for each of its properties."""

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

from ingest.elements import Element
from ingest.partition import web
from ingest.partition.context import ParseContext
from ingest.partition.encodings import decode_bytes
from ingest.partition.reading import NO_TITLE, ReadResult
from ingest.partition.text import read_text

_ENTRIES = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VCARD"})
_SILENT = frozenset(  # for programs, not for people
    {
        "BEGIN", "END", "VERSION", "PRODID", "UID", "DTSTAMP", "SEQUENCE", "CREATED", "LAST-MODIFIED", "REV", "TRANSP",
        "CLASS", "METHOD", "CALSCALE", "N", "SORT-STRING", "PRIORITY", "TZID", "PROFILE", "XML", "RECURRENCE-ID", "TRIGGER",
    }
)  # fmt: skip
_NAMES = {
    "DTSTART": "Begins", "DTEND": "Ends", "DUE": "Due", "LOCATION": "Place", "DESCRIPTION": "Description",
    "ORGANIZER": "Organizer", "ATTENDEE": "Attendee", "RRULE": "Repeats", "DURATION": "Lasts", "STATUS": "Status",
    "CATEGORIES": "Categories", "COMMENT": "Comment", "URL": "Address on the web", "CONTACT": "Contact",
    "ORG": "Organization", "TITLE": "Job title", "TEL": "Telephone", "EMAIL": "E-mail", "ADR": "Address",
    "NOTE": "Note", "BDAY": "Birthday", "ROLE": "Role", "NICKNAME": "Nickname", "COMPLETED": "Completed",
    "EXDATE": "Not on", "RESOURCES": "Resources", "SUMMARY": "Summary", "FN": "Name", "LABEL": "Address",
}  # fmt: skip
_LOOSE = ""  # the name of a line that is no property
_PICTURES = frozenset({"PHOTO", "LOGO"})
_DATA = frozenset({"KEY", "SOUND"})
_UNNAMED = {
    "VEVENT": "Event",
    "VTODO": "Task",
    "VJOURNAL": "Journal",
    "VFREEBUSY": "Busy times",
    "VCARD": "Contact",
}
_FOLD = re.compile(r"\n[ \t]")
_LINE = re.compile(r'(?:[\w-]+\.)?([\w-]+)((?:;[^:;"]+(?:"[^"]*")?[^:;"]*)*):(.*)', re.DOTALL)
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z?))?")
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)")
_ESCAPES = re.compile(r"\\(.)", re.DOTALL)
_PARAMETER = re.compile(r';([\w-]+)(?:=("[^"]*"|[^;]*))?')


@dataclass(frozen=True, slots=True)
class _Property:
    name: str
    told: dict[str, str]  # its parameters, names in capitals
    value: str


def read_calendar(path: Path, work: ParseContext) -> ReadResult:
    return _read_entries(path, work)


def read_contacts(path: Path, work: ParseContext) -> ReadResult:
    return _read_entries(path, work)


def _read_entries(path: Path, work: ParseContext) -> ReadResult:
    """One entry names the file; several do not."""
    elements = list(parse_entries(read_text(path, work), work))
    alone = sum(element.kind == "heading" for element in elements) == 1
    return elements, {} if alone else NO_TITLE.copy()


def parse_entries(text: str, work: ParseContext) -> Iterator[Element]:
    """The entries of a calendar or an address book."""
    held: list[_Property] = []
    entry = ""
    below = 0  # alarms and the like inside an entry
    for each in _properties(text):
        value = each.value.strip().upper()
        if each.name == "BEGIN":
            if entry:
                below += 1
            elif value in _ENTRIES:
                entry, held = value, []
        elif each.name == "END" and entry:
            if below:
                below -= 1
            else:
                yield from _entry_elements(entry, held, work)
                entry = ""
        elif entry and not below:
            held.append(each)
        elif each.name in ("X-WR-CALNAME", "X-WR-CALDESC"):
            yield Element(kind="text", text=_unescape(each.value))
    if entry:
        work.warn("It ends within an entry.")
        yield from _entry_elements(entry, held, work)


def _properties(text: str) -> Iterator[_Property]:
    waiting = ""
    for line in _FOLD.sub("", text).split("\n"):
        line = waiting + line
        if (
            "QUOTED-PRINTABLE" in line[:200].upper()
            and line.endswith("=")
            and len(line) < 1_000_000
        ):
            waiting = line[:-1]
            continue
        waiting = ""
        if found := _LINE.match(line):
            told = {
                name.upper(): value.strip('"') for name, value in _PARAMETER.findall(found.group(2))
            }
            yield _Property(found.group(1).upper(), told, _decoded(found.group(3), told))
        elif line.strip():
            yield _Property(_LOOSE, {}, line)


def _decoded(value: str, told: dict[str, str]) -> str:
    if told.get("ENCODING", "").upper() != "QUOTED-PRINTABLE" and "QUOTED-PRINTABLE" not in told:
        return value
    data = quopri.decodestring(value.encode("utf-8", "replace"))
    return decode_bytes(data, ("cp1252",), told.get("CHARSET")).text


def _entry_elements(entry: str, held: list[_Property], work: ParseContext) -> Iterator[Element]:
    names = {each.name: each for each in reversed(held)}
    heading = names.get("SUMMARY") or names.get("FN")
    title = (_unescape(heading.value) if heading else "") or _full_name(names.get("N"))
    yield Element(kind="heading", text=" ".join(title.split()) or _UNNAMED[entry], level=1)
    lines: dict[str, None] = {}
    for each in _with_loose_lines(held):
        if each is heading or each.name in _SILENT:
            continue
        if each.name in _PICTURES:
            work.lose("picture", 1, "pictures", "of a contact")
        elif line := _property_line(_with_last_day(each, names.get("DTSTART")), work):
            lines[line] = None
    if lines:
        yield Element(kind="text", text="\n".join(lines))


def _with_last_day(each: _Property, begin: _Property | None) -> _Property:
    """The end of an entry without hours as the last day of it; files tell the day after."""
    found = _DAY.fullmatch(each.value.strip()) if each.name == "DTEND" else None
    if found is None:
        return each
    try:
        day = date(int(found[1]), int(found[2]), int(found[3])) - timedelta(days=1)
    except (ValueError, OverflowError):
        return each
    last = day.isoformat().replace("-", "")
    ends_before = begin is not None and last < begin.value.strip()[:8]
    return each if ends_before else replace(each, value=last)


def _with_loose_lines(held: list[_Property]) -> Iterator[_Property]:
    """The properties; lines that are none belong to the one above, which was not folded as it
    should be.
    """
    for is_loose, group in groupby(held, key=lambda each: each.name == _LOOSE):
        if is_loose:
            yield _Property(_LOOSE, {}, "\n".join(each.value for each in group))
        else:
            yield from group


def _full_name(told: _Property | None) -> str:
    return " ".join(filter(None, _fields(told.value))) if told else ""


def _is_attached_file(each: _Property) -> bool:
    if each.name in _DATA and each.told.get("ENCODING"):
        return True
    return each.name == "ATTACH" and not each.value.lower().startswith(("http", "mailto"))


def _property_line(each: _Property, work: ParseContext) -> str:
    if each.name == "X-ALT-DESC":
        found = web.parse_html(_unescape(each.value), work)[0]
        text = "\n".join(element.text for element in found)
        return f"Description: {text}" if text else ""
    if each.name.startswith("X-"):
        return ""
    if each.name == _LOOSE:
        return each.value.strip()
    if _is_attached_file(each):
        work.lose("part", 1, "files", "attached to an entry")
        return ""
    name = _NAMES.get(each.name, each.name.replace("-", " ").capitalize())
    kind = each.told.get("TYPE", "").lower().replace("pref", "").strip(",")
    value = _value_text(each)
    return f"{name}{f' ({kind})' if kind else ''}: {value}" if value else ""


def _value_text(each: _Property) -> str:
    if each.name in ("DTSTART", "DTEND", "DUE", "COMPLETED", "EXDATE", "BDAY"):
        return _DATE.sub(_readable_date, each.value) + (
            f" ({each.told['TZID']})" if "TZID" in each.told else ""
        )
    if each.name in ("ORGANIZER", "ATTENDEE"):
        address = re.sub(r"^mailto:", "", each.value, flags=re.IGNORECASE)
        return f"{each.told['CN']} <{address}>" if each.told.get("CN") else address
    if each.name in ("ADR", "ORG"):
        return ", ".join(part for part in _fields(each.value) if part)
    return _unescape(each.value).strip()


def _readable_date(found: re.Match[str]) -> str:
    year, month, day, hour, minute, _, zone = found.groups()
    on = f"{year}-{month}-{day}"
    return f"{on} {hour}:{minute}{' UTC' if zone else ''}" if hour else on


def _fields(value: str) -> list[str]:
    return [_unescape(part).strip() for part in re.split(r"(?<!\\);", value)]


def _unescape(value: str) -> str:
    return _ESCAPES.sub(lambda found: "\n" if found.group(1) in "nN" else found.group(1), value)
