"""How much of a file's words arrives: the control of every test of a reader."""

import re

from ingest.elements import Parsed

_WORD = re.compile(r"\w+")
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


def words_of(text: str) -> frozenset[str]:
    """Distinct words, case ignored; Chinese and Japanese character by character."""
    found: set[str] = set()
    for word in _WORD.findall(text):
        found.update(word if _EAST_ASIAN.search(word) else [word.casefold()])
    return frozenset(found)


def text_of(document: Parsed) -> str:
    return "\n".join(element.text for element in document.elements)


def share_of_words(document: Parsed, expected_text: str) -> float:
    """The share of the distinct words of `expected_text`, which another way of reading the file
    has given, that the document has.
    """
    expected = words_of(expected_text)
    return len(expected & words_of(text_of(document))) / len(expected) if expected else 1.0
