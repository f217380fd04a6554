"""English words without their endings."""

import re
from threading import Lock

import Stemmer

CONTRACTION = re.compile(r"(?<=\w)['’](?:s|t|d|m|ll|re|ve)$")
"""What is left out at the end of a word: user's, don't."""

_snowball = Stemmer.Stemmer("english", 0).stemWord
_one_at_a_time = Lock()  # two threads must not use a stemmer at once


def english_stem(word: str) -> str:
    """The stem that a word in lower case shares with its other forms; other words as they are."""
    if not (word.isascii() and word.isalpha()):
        return word
    with _one_at_a_time:
        return str(_snowball(word))
