"""What a document's attributes may be.

Whatever is stored can be asked for in a filter, on every database.

Each check gives what is wrong in words, or None. A piece of metadata is a text, a truth value or a
number: 1 and 1.0 are one number, which is neither true nor "1". Whole numbers end where other
programs' JSON begins to round them.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

MAX_NAME_CHARS: Final = 255  # of a collection or a media type
MAX_LANGUAGE_CHARS: Final = 16
MAX_PATH_CHARS: Final = 8_192
MAX_KEY_CHARS: Final = 1_024
MAX_VALUE_CHARS: Final = 10_000
MAX_ITEMS: Final = 200  # of one document's metadata
LARGEST_WHOLE: Final = 2**53


def text_problem(text: object, most: int, least: int = 1) -> str | None:
    if not isinstance(text, str):
        return "is no text"
    if not least <= len(text) <= most:
        return f"has {len(text)} characters; {least} to {most} are accepted"
    if "\0" in text:
        return "holds the character NUL, which databases refuse"
    if any("\ud800" <= mark <= "\udfff" for mark in text):
        return "holds half of a surrogate pair, which is no character"
    return None


def value_problem(value: object) -> str | None:
    """Of a piece of metadata."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return (
            None
            if abs(value) <= LARGEST_WHOLE
            else "is a whole number beyond 2^53, which not every program can read"
        )
    if isinstance(value, float):
        return None if math.isfinite(value) else "is no finite number"
    return text_problem(value, MAX_VALUE_CHARS, least=0)


def moment_problem(moment: datetime) -> str | None:
    if moment.tzinfo is None:
        return "has no time zone"
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return "is outside the years 1 to 9999 in UTC"
    return None


def metadata_problem(metadata: Mapping[str, object], most: int = MAX_ITEMS) -> str | None:
    if len(metadata) > most:
        return f"has {len(metadata)} keys; at most {most} are accepted"
    for key, value in metadata.items():
        if wrong := text_problem(key, MAX_KEY_CHARS):
            return f"has a key that {wrong}"
        if wrong := value_problem(value):
            return f"has under {ascii(key)[:80]} what {wrong}"
    return None


def metadata_digest(key: str, value: str | float | bool) -> str:
    """Stands for a key with a value of one kind, equal exactly if these are: 32 characters, none
    a wildcard.
    """
    return hashlib.sha256(json.dumps([key, *_kind_and_value(value)]).encode()).hexdigest()[:32]


def _kind_and_value(value: str | float | bool) -> tuple[str, str]:
    if isinstance(value, bool):
        return "truth", str(value)
    if isinstance(value, str):
        return "text", value
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_WHOLE:
        return "number", repr(int(value))
    return "number", repr(value)
