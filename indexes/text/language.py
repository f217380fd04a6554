"""The language of a document, by its script and by the small words of its sentences.

Says None rather than guess.
"""

import re
from collections import Counter

from indexes.text import scripts, stop_words

SAMPLE_CHARS = 20_000
MIN_LETTERS = 20
MIN_SHARE = 0.06  # of words that must be small words of the language
_SCRIPTS = {
    language: re.compile(f"[{letters}]")
    for language, letters in {
        "ko": scripts.HANGUL_SYLLABLES,
        "ru": scripts.CYRILLIC,
        "ar": scripts.ARABIC,
        "he": scripts.HEBREW,
        "el": scripts.GREEK,
        "th": scripts.THAI,
        "hi": scripts.DEVANAGARI,
    }.items()
}
_WORD = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of most of the text's beginning; None for short texts and for languages that
    it does not know.
    """
    sample = text[:SAMPLE_CHARS]
    letters = len(scripts.LETTER.findall(sample))
    han, kana = len(scripts.IDEOGRAPH.findall(sample)), len(scripts.KANA_SIGN.findall(sample))
    # one of these signs says what some letters say
    if han + kana >= 4 and (han + kana) * 3.5 >= letters:
        return "ja" if kana * 8 > han + kana else "zh"
    if letters < MIN_LETTERS:
        return None
    for name, letter in _SCRIPTS.items():
        if 2 * len(letter.findall(sample)) > letters:
            return name
    words = [word.lower() for word in _WORD.findall(sample)]
    counts = Counter(
        {name: sum(word in owned for word in words) for name, owned in stop_words.FREQUENT.items()}
    )
    (best, most), (_, second) = counts.most_common(2)
    return best if most >= MIN_SHARE * len(words) and most > 1.2 * second else None
