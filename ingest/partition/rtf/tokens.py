"""The bytes of a rich text, token by token: words, braces, signs and letters."""

import re
from dataclasses import replace

from indexes.errors import SourceBroken
from ingest.partition.rtf.grammar import BRACE, BYTE, LETTERS, NUMBER, SIGN, TOKEN, WORD
from ingest.partition.rtf.groups import opens_group
from ingest.partition.rtf.reading import RtfReading
from ingest.partition.rtf.words import PARAGRAPH_WORDS, WORDS

MAX_NESTING = 100_000  # groups inside groups; no writer makes so many
MAX_REST = 1_000_000  # bytes behind the end that are looked at
_WORDS = re.compile(rb"(?<![\\\w])[a-zA-Z\x80-\xff]{2,}")


def read_tokens(reading: RtfReading, data: bytes, at: int) -> None:
    """Everything from this place to the end of the document, or of the file if that comes first."""
    while (found := TOKEN.match(data, at)) is not None:  # every byte is a part of some token
        at, kind = found.end(), found.lastindex
        if kind in (WORD, NUMBER):
            at += _read_word(reading, found)
        elif kind == LETTERS:
            _take_bytes(reading, found.group(LETTERS))
        elif kind == BYTE:
            _take_bytes(reading, bytes((int(found.group(BYTE), 16),)))
        elif kind == SIGN:
            _read_sign(reading, found.group(SIGN))
        elif kind == BRACE:
            _read_brace(reading, found.group(BRACE))
            if not reading.stack:
                _lose_rest(reading, data[at:])
                break
    if reading.stack:
        reading.work.warn("It ends within a group; its end may be missing.")
    while reading.stack:
        _read_brace(reading, b"}")
    reading.flush()


def _lose_rest(reading: RtfReading, data: bytes) -> None:
    """Counts the words behind the end of the document, which no program shows."""
    rest = _WORDS.findall(data[:MAX_REST])
    reading.work.lose("hidden", len(rest), "words", "after its end")


def _read_brace(reading: RtfReading, brace: bytes) -> None:
    reading.flush()
    reading.to_skip = 0
    if brace == b"{":
        _open(reading)
    elif reading.stack:
        inner, reading.state = reading.state, reading.stack.pop()
        if inner.flow is not None and inner.flow.depth > len(reading.stack):
            inner.flow.end_paragraph()
            inner.flow.end_table()


def _open(reading: RtfReading) -> None:
    if len(reading.stack) >= MAX_NESTING:
        raise SourceBroken(f"More than {MAX_NESTING:,} groups stand inside one another.")
    around = reading.state
    reading.stack.append(around)
    reading.state = replace(around, alternative=0)
    if around.alternative == 1:  # \upr{this}{\*\ud that}
        around.alternative = 2
        reading.state.flow = None
    reading.starred = False


def _read_sign(reading: RtfReading, sign: bytes) -> None:
    if sign == b"*":
        reading.starred = True
    elif sign in b"\\{}":
        _take_bytes(reading, sign)
    elif sign in b"\r\n":
        _use_word(reading, "par", None)
    elif sign in b"~_" and not reading.to_skip:
        reading.flush()
        reading.write("-" if sign == b"_" else " ")


def _take_bytes(reading: RtfReading, data: bytes) -> None:
    if reading.to_skip:
        skipped = min(reading.to_skip, len(data))
        reading.to_skip -= skipped
        data = data[skipped:]
    reading.starred = False
    if data and (reading.state.flow is not None or reading.state.place):
        reading.pending += data


def _read_word(reading: RtfReading, found: re.Match[bytes]) -> int:
    """How many bytes after the word are no tokens."""
    digits = found.group(NUMBER)
    number = int(digits) if digits else None
    word = found.group(WORD).decode("ascii")
    if word == "bin":
        return max(0, number or 0)
    _use_word(reading, word, number)
    return 0


def _use_word(reading: RtfReading, word: str, number: int | None) -> None:
    if reading.to_skip and word not in ("u", "uc"):
        reading.to_skip -= 1
        return
    reading.flush()
    if word == "u" and number is not None:
        reading.write(reading.fonts.character(number % 65_536, reading.state.font))
        reading.to_skip = reading.state.unicode_skip
        return
    starred, reading.starred = reading.starred, False
    if opens_group(reading, word, starred=starred):
        return
    if (change := WORDS.get(word)) is not None:
        change(reading, word, number)
    elif (shape := PARAGRAPH_WORDS.get(word)) is not None and reading.state.flow is not None:
        shape(reading.state.flow, word, number)
