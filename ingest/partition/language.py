"""The language of a document, by its script and by the small words of its sentences.

Says None rather than guess.
"""

import re
from collections import Counter

SAMPLE_CHARS = 20_000
MIN_LETTERS = 20
MIN_SHARE = 0.06  # of words that must be small words of the language
_SCRIPTS = {
    "ko": re.compile("[\uac00-\ud7a3]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "hi": re.compile("[\u0900-\u097f]"),
}
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+")
_SMALL_WORDS = {
    "en": "the of and to in is that for it with as was on are be this by from or an not have which at",
    "de": "der die das und ist nicht ein eine den von zu mit sich des auf für dem im als auch werden wird",
    "fr": "le la les des est une dans que qui pour sur pas avec au ce sont par il plus du et aux",
    "es": "el los las que del una por con para es su se no al lo como más pero sus este está",
    "it": "il di che la per un una non sono del con le si da della nel alla più come anche gli",
    "pt": "os que não uma para com por dos como mais ao das foi se em do da na no é são",
    "nl": "de het een van en is dat op te zijn voor met niet aan er door ook bij wordt naar",
}
_OWNERS = {name: frozenset(words.split()) for name, words in _SMALL_WORDS.items()}


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of most of the text's beginning; None for short texts and for languages that
    it does not know.
    """
    sample = text[:SAMPLE_CHARS]
    letters = len(_LETTER.findall(sample))
    han, kana = len(_HAN.findall(sample)), len(_KANA.findall(sample))
    # one of these signs says what some letters say
    if han + kana >= 4 and (han + kana) * 3.5 >= letters:
        return "ja" if kana * 8 > han + kana else "zh"
    if letters < MIN_LETTERS:
        return None
    for name, script in _SCRIPTS.items():
        if 2 * len(script.findall(sample)) > letters:
            return name
    words = [word.lower() for word in _WORD.findall(sample)]
    counts = Counter(
        {name: sum(word in owned for word in words) for name, owned in _OWNERS.items()}
    )
    (best, most), (_, second) = counts.most_common(2)
    return best if most >= MIN_SHARE * len(words) and most > 1.2 * second else None
