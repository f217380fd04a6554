"""The scripts of the world as far as anything here treats them differently: once, for everybody.

Each table is the inside of a character class, for `re` and for `regex` alike. What is written
without spaces is there with its letters and marks only: digits and punctuation are the same for
every script. The tables stand here instead of a library's `\\p{Han}`, so that no new
version of a library changes what the keyword index has stored.
"""

import re
from typing import Literal

Script = Literal["en", "zh"]
"""The languages that the service itself speaks; `en` stands for every one but Chinese."""

Writing = Literal["en", "zh", "zh-hant"]
"""What the service's own sentences are written in: Chinese is Simplified or, `zh-hant`,
Traditional."""

UNIFIED_HAN = "\u4e00-\u9fff"
"""The ideographs that nearly every Chinese and Japanese text is written with."""

HAN = (
    "\u2e80-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf"
    f"{UNIFIED_HAN}\uf900-\ufad9\U00016fe3\U00020000-\U0003ffff"
)
WIDE_KANA = "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
KANA = f"{WIDE_KANA}\uff66-\uff9f\U0001aff0-\U0001b168"
HANGUL_SYLLABLES = "\uac00-\ud7a3"
HANGUL = (
    "\u1100-\u11ff\u302e\u302f\u3131-\u318e\ua960-\ua97c"
    f"{HANGUL_SYLLABLES}\ud7b0-\ud7fb\uffa0-\uffdc"
)
BOPOMOFO = "\u02ea\u02eb\u3105-\u312f\u31a0-\u31bf"
YI = "\ua000-\ua48c"
THAI = "\u0e01-\u0e3a\u0e40-\u0e4e"
LAO = "\u0e81-\u0ece\u0edc-\u0edf"
KHMER = "\u1780-\u17d3\u17d7\u17dc\u17dd"
MYANMAR = (
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa76\uaa7a-\uaa7f"
)
TIBETAN = "\u0f00\u0f18\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0f84\u0f86-\u0fbc\u0fc6"

# whole blocks: enough to tell in which script most of a text is written
CYRILLIC = "\u0400-\u052f"
GREEK = "\u0370-\u03ff\u1f00-\u1fff"
HEBREW = "\u0590-\u05ff"
ARABIC = "\u0600-\u06ff\u0750-\u077f"
DEVANAGARI = "\u0900-\u097f"

UNSPACED = f"{HAN}{KANA}{HANGUL}{BOPOMOFO}{YI}{THAI}{LAO}{KHMER}{MYANMAR}{TIBETAN}"
"""Writing in which spaces do not part the words, and Korean, whose words stand together with their
endings: it is compared by characters or by pairs of them."""

NO_SPACE_AT_LINE_END = f"{HAN}{KANA}{BOPOMOFO}\u3000-\u303f\uff00-\uffef"
"""Chinese and Japanese with their punctuation and full-width signs: a printed line goes on in the
next one without a space."""

IDEOGRAPH = re.compile(f"[{HAN}]")
LETTER = re.compile(r"[^\W\d_]")
KANA_SIGN = re.compile(f"[{KANA}]")


def script(text: str) -> Script:
    """`zh` if at least three of ten letters are Chinese and none is Japanese kana, else `en`."""
    ideographs = len(IDEOGRAPH.findall(text))
    if not ideographs or KANA_SIGN.search(text):
        return "en"
    return "zh" if ideographs * 10 >= len(LETTER.findall(text)) * 3 else "en"


def writing(text: str) -> Writing:
    """The script, and for Chinese the way of writing it: Traditional if more of the ideographs are
    in Big5, which has no Simplified ones, than in GB 2312, which has no Traditional ones.
    """
    language = script(text)
    if language == "zh":
        ideographs = "".join(IDEOGRAPH.findall(text))
        traditional, simplified = (
            len(ideographs.encode(standard, "ignore")) for standard in ("big5", "gb2312")
        )
        if traditional > simplified:
            return "zh-hant"
    return language
