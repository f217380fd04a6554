"""Plain text of messages: lines that were broken for sending, files that were written into it."""

import binascii
import re

from ingest.partition.attachments import Attachment

_QUOTES = re.compile(r">+(?: ?>)*")
_FILE_BEGINS = re.compile(r"begin [0-7]{3} (\S[^\n]{0,200})$")


def unflow(text: str, joins_words: bool) -> str:
    """Paragraphs that were broken into lines for sending (format=flowed), whole again."""
    made: list[str] = []
    open_depth: str | None = None
    for line in text.split("\n"):
        depth, body = _part_quote(line)
        if open_depth == depth and made and body != "-- ":
            made[-1] += body
        else:
            made.append(f"{depth} {body}" if depth else body)
        flows = body.endswith(" ") and body != "-- "
        if flows and joins_words:
            made[-1] = made[-1][:-1]
        open_depth = depth if flows else None
    return "\n".join(made)


def _part_quote(line: str) -> tuple[str, str]:
    """(the signs of a quotation before it, without spaces; the line itself)"""
    quoted = _QUOTES.match(line)
    if quoted is None:
        return "", line.removeprefix(" ")
    return quoted.group().replace(" ", ""), line[quoted.end() :].removeprefix(" ")


def split_encoded_files(text: str) -> tuple[str, list[Attachment]]:
    """The text without the files that old programs write into it (uuencode), and these files."""
    kept: list[str] = []
    files: list[Attachment] = []
    held: list[str] = []  # lines of a file that may be one
    name = ""
    for line in text.split("\n"):
        if name and line.strip() == "end":
            data = _unpack_lines(held[1:])
            files += [Attachment(name, data)] if data else []
            kept += [*held, line] if not data else []
            name, held = "", []
        elif begins := _FILE_BEGINS.match(line):
            kept += held
            name, held = begins.group(1), [line]
        else:
            (held if name else kept).append(line)
    return "\n".join([*kept, *held]), files


def _unpack_lines(lines: list[str]) -> bytes:
    """The bytes that these lines stand for; empty if they stand for none."""
    try:
        return b"".join(binascii.a2b_uu(line) for line in lines if line not in ("", "`"))
    except (binascii.Error, ValueError):
        return b""
