"""How much a text looks like what people write: the evidence by which an encoding is guessed.

Every letter beyond ASCII is weighed: how common it is in its language, and whether it stands where
such a letter stands. A wrong encoding gives rare letters, odd signs, capitals within words and words
of two scripts. Signs count most if they stand where such signs do: a currency beside a figure.
"""

import re
from collections.abc import Iterable

from indexes.text.scripts import HANGUL_SYLLABLES, UNIFIED_HAN, WIDE_KANA

_BROKEN = -1.0  # a byte that this encoding does not have, or a control character
_ODD = 0.0  # a sign that nobody puts into a word, a capital after a small letter
_PUNCTUATION = 0.75
_WELL_PLACED = 0.95  # a sign beside what it belongs to
_ALONE = 0.5  # of a letter without letters beside it, if no word of the text is in its script
_WORD_ALONE = 0.75  # the same if the letter is a word, among Latin words
_WITHIN_LATIN = 0.5  # of an East Asian sign that touches a small Latin letter
_CAPITAL = 0.93  # words in capitals are rarer
_FREQUENT = {
    "cyrillic": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "ukrainian": "оаинвіетрсклудмпяьзгбчйхїжюцшєщфґ",
    "greek": "αοιετσνηυρπκμλωςίόάγέθήδύχφώβξζψ",
    "hebrew": "יוהלאתרמבשנעדםקחפכצגטןזסץףך",
    "arabic": "ايلمونرتبةعدسفهكقحجطصخشضأذإزثىغئءظآؤ،؟",
    "thai": "านรอกเงมยลวดทสตะปบคหแจพชขใไโผซถศธณษฟภญฉอิีึืุู่้๊๋์็ั",
    "lesser": "љњћђјџўқғңүұһөәі",
}
"""Letters from the most frequent down, by script or language."""

_LATIN = (
    "äöüß", "éèàçêâîôûùëïüœæÿ", "áéíóúñü¿¡ºª", "ãõáéíóúâêôçàü", "àèéìòù", "åäöéü", "æøåéòó", "ðþáéíóúýæö",
    "áéěíóúůýčďňřšťž", "áäčďéíĺľňóôŕšťúýž", "ąćęłńóśźż", "áéíóöőúüű", "ăâîșțşţ", "čćđšž", "çğıöşüâîûi̇",
    "äöõüšž", "āčēģīķļņšūž", "ąčęėįšųūž", "àáạảãâầấậẩẫăằắặẳẵđèéẹẻẽêềếệểễìíịỉĩòóọỏõôồốộổỗơờớợởỡùúụủũưừứựửữỳýỵỷỹ",
    "àéèíïóòúüç·", "ëç", "ñáéíóúü", "àâæçéèêëîïôœùûü",
)  # fmt: skip
"""The letters beyond ASCII of the languages that are written with Latin letters."""

_EVERY_HAN = (
    "的一是不了在人有我他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过家十用发天如"
    "然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从今回很己最但现开长应给请提员工部门管理度"
    "规每月星期周早晚午休假申办室电话号码文件资料单位责任务安全检查设备使民政府市区路街第四五六七八九零百千万元钱费价格间点半"
    "钟内外高低新旧体问题知識這為來個們說國時會後對著裡過發無經當與學進種將還見沒從現開長應給請員門規週辦電話號碼資單責務檢設"
    "備區錢費價間點鐘舊體題館書閉放東西南北左右水火土木金山河海春夏秋冬男女父母先曜本語社議業報告類確認場合必予変更連絡担様御"
    "願致案利説明品質保証契約注納支払額税込送名称住番登録"
)
"""Characters that most Chinese and Japanese texts are made of."""

_EVERY_HANGUL = (
    "이다는의에을가은한로하고를도지기사어리자나시인서그아해대일들게정부만수보여과장적전으라제주스니안공원성있구동국상조무면된"
    "관선유비위세방중할내경요마신실없문때연학당물소화모되와계행간년월였습합Sylabes thmoKrnxdf."
)
_RANKS = {
    letter: (name, 1.0 - 0.6 * rank / len(letters))
    for name, letters in reversed(_FREQUENT.items())
    for rank, letter in enumerate(letters)
}
_EAST_ASIAN = re.compile(f"[{WIDE_KANA}\u3000-\u3011\u30fb\uff01-\uff1f]")
_HANGUL = re.compile(f"[{HANGUL_SYLLABLES}]")
_HAN = re.compile(f"[{UNIFIED_HAN}]")
_HAN_SET, _HANGUL_SET = frozenset(_EVERY_HAN), frozenset(_EVERY_HANGUL)
_JOINERS = "\u00a0\u2019\u00b7\u2010\u2011\u00ad\u02bc"
_WORDS_ALONE = frozenset("àèéòóåö")  # in languages whose other letters are mostly ASCII
_MORE_WORDS_ALONE = _WORDS_ALONE | frozenset("áíúøæő")
_LATIN_WORD = re.compile(r"[A-Za-z]{2}")
_APART = frozenset("€£¥§±×½¼¾№\u2022")  # signs that touch no letter before them
_CYRILLIC_ALONE = frozenset("авикосуяії")
_PLACED = re.compile(
    r"\d[\d.,]*[ \u00a0]?[€£¥₽½°]|[€£¥§№][ \u00a0]?\d|§§ ?\d|\d ?[±×] ?\d|°[CF]\b|©[ \u00a0]?(?:19|20)\d\d|[A-Za-z][™®](?!\w)"
    r"|“[^“”]*”|„[^„“]*“|«[^«»]*»|(?<=\s)[–—](?=\s)|(?<=\d)–(?=\d)|(?<=[\w.,)])…(?![:\w])|(?<=\s)•(?=\s)|(?<=\d)\u00a0|\u00a0(?=\d)"
    r"|[«(]\u00a0|(?<=[A-Za-z\d])\u00a0[;:!?»%]|n’t\b|’(?:ll|re|ve)\b|\bI’m\b|\b(?:[Ii]t|[Tt]hat|[Ww]hat|[Ll]et|[Ss]?[Hh]e|[Tt]here|[Ww]ho)’s\b"
)
"""Signs with what they belong to."""

_SIGNS = frozenset("\u00a0§©«®°»€…‘’“”„‚–—•™·½¼¾²³¹±×µ№₽£¥¿¡ºª" + _JOINERS)


def plausibility(text: str, *, places: bool = True) -> float:
    """How much of what is not ASCII looks like what people write: at most 1, below 0 if broken.

    places: whether it counts beside what signs stand, and which letters stand alone.
    """
    weights: list[float] = []
    latin: list[tuple[str, float]] = []
    placed = _well_placed(text) if places else set()
    lone = _lone_letters(text) if places else {}
    for at, (before, char, after) in enumerate(_neighbours(text)):
        if char <= "\x7f":
            continue
        if ("\u00c0" <= char <= "\u024f" and char not in "×÷") or "\u1ea0" <= char <= "\u1ef9":
            if _misplaced(before, char, after):
                weights.append(_ODD)
            else:
                latin.append((char.lower(), lone.get(at, 1.0)))
        elif at in placed and char in _SIGNS and not (char in _APART and before.isalpha()):
            weights.append(_WELL_PLACED)
        else:
            weights.append(_weigh(before, char, after) * lone.get(at, 1.0))
    if not weights and not latin:
        return 1.0
    share = 0.85 * _share_of_best_language([letter for letter, _ in latin])
    weights += [share * factor for _, factor in latin]
    return sum(weights) / len(weights)


def _neighbours(text: str) -> Iterable[tuple[str, str, str]]:
    return zip(" " + text, text, text[1:] + " ", strict=False)


def _well_placed(text: str) -> set[int]:
    """The places of signs that stand beside what they belong to."""
    placed: set[int] = set()
    for found in _PLACED.finditer(text):
        start, end = found.span()
        placed.update((start, end - 1) if text[start] in "“„«" else range(start, end))
    return placed


def _lone_letters(text: str) -> dict[int, float]:
    """Places of letters with none beside them, each with how much of its weight is left, if they
    may as well be signs of another encoding.
    """
    alone: dict[int, str] = {}
    scripts: set[bool] = set()
    for at, (before, char, after) in enumerate(_neighbours(text)):
        if char > "\x7f" and char.isalpha() and char < "\u2e80":
            if not (before.isalpha() or after.isalpha()):
                alone[at] = char
            elif not _misplaced(before, char, after):
                scripts.add(_is_latin(char))
    found = ((at, _weight_alone(char, scripts, text)) for at, char in alone.items())
    return {at: weight for at, weight in found if weight < 1.0}


def _weight_alone(char: str, scripts: set[bool], text: str) -> float:
    """How much of its weight a letter without letters beside it keeps.

    scripts: whether other words have Latin letters beyond ASCII, whether they have other ones.
    """
    if _is_latin(char) in scripts:
        return 1.0 if char > "\u024f" or char.isupper() or char in _MORE_WORDS_ALONE else _ALONE
    if _LATIN_WORD.search(text):
        return _WORD_ALONE if char in _WORDS_ALONE else _ALONE
    return 1.0 if char in _CYRILLIC_ALONE else _ALONE


def _weigh(before: str, char: str, after: str) -> float:
    if char == "\ufffd" or char < "\u00a0" or "\ue000" <= char <= "\uf8ff":
        return _BROKEN
    if char >= "\u2e80":
        within = any("a" <= near <= "z" for near in (before, after))
        return _weigh_east_asian(char) * (_WITHIN_LATIN if within else 1.0)
    told = _RANKS.get(char.lower())
    if told is not None:
        if _misplaced(before, char, after):
            return _ODD
        return told[1] * _CAPITAL if char.isupper() and not after.islower() else told[1]
    if char in _SIGNS:
        return _ODD if _sign_misplaced(before, char, after) else _PUNCTUATION
    return 0.1 if char.isalpha() else _ODD


def _sign_misplaced(before: str, char: str, after: str) -> bool:
    """Whether a sign stands within a word, or one that needs a word or a figure has none."""
    if char == "\u00ad":
        return not (before.isalpha() and after.isalpha())
    if char in "\u2019\u2022" and after.isalpha() and before.isspace():
        return True
    if char == "\u2116" or (char == "\u00a0" and before in "\n "):
        return char == "\u2116" or after in "\n "
    if before.isalpha() and (char in _APART or (char in "ªº" and before > "\x7f")):
        return True
    return before.isalpha() and after.isalpha() and char not in _JOINERS


def _weigh_east_asian(char: str) -> float:
    if _EAST_ASIAN.match(char):
        return 1.0
    if _HAN.match(char):
        return 1.0 if char in _HAN_SET else 0.7 if _everyday_han(char) else 0.15
    if _HANGUL.match(char):
        return 1.0 if char in _HANGUL_SET else 0.7
    return 0.1 if char.isalpha() else _ODD


def _misplaced(before: str, char: str, after: str) -> bool:
    """A capital after a small letter, or a letter beside one of another script or before a digit."""
    if (char.isupper() and before.islower()) or after.isdigit():
        return True
    if char.islower() and "A" <= after <= "Z":
        return True
    return any(
        near.isalpha() and _is_latin(near) != _is_latin(char) and near < "\u2e80"
        for near in (before, after)
    )


def _is_latin(char: str) -> bool:
    return char < "\u0250" or "\u1e00" <= char <= "\u1eff"


def _share_of_best_language(letters: list[str]) -> float:
    if not letters:
        return 0.0
    return max(sum(letter in known for letter in letters) for known in _LATIN) / len(letters)


def _everyday_han(char: str) -> bool:
    """Whether the first level of GB 2312, Big5 or JIS X 0208, which holds the characters in daily
    use, has it.
    """
    for encoding, first, last in (
        ("gb2312", 0xB0, 0xD7),
        ("big5", 0xA4, 0xC6),
        ("shift_jis", 0x88, 0x97),
    ):
        try:
            if first <= char.encode(encoding)[0] <= last:
                return True
        except UnicodeEncodeError:
            continue
    return False
