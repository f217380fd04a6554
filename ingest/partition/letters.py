"""How much a text looks like what people write: the evidence by which an encoding is guessed.

Every letter beyond ASCII is weighed: how common it is in its language, and whether it stands where
such a letter stands. A wrong encoding gives rare letters, odd signs, capitals within words and words
of two scripts.
"""

import re
from collections.abc import Iterable

from indexes.text.scripts import HANGUL_SYLLABLES, UNIFIED_HAN, WIDE_KANA

_BROKEN = -1.0  # a byte that this encoding does not have, or a control character
_ODD = 0.0  # a sign that nobody puts into a word, a capital after a small letter
_PUNCTUATION = 0.75
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
_JOINERS = "\u2019\u00b7\u2010\u2011\u00ad\u02bc"
_SIGNS = frozenset("\u00a0§©«®°»€…‘’“”„‚–—•™·½¼¾²³¹±×µ№₽£¥¿¡ºª" + _JOINERS)


def plausibility(text: str) -> float:
    """How much of what is not ASCII looks like what people write: at most 1, below 0 if broken."""
    weights: list[float] = []
    latin: list[str] = []
    for before, char, after in _neighbours(text):
        if char <= "\x7f":
            continue
        if ("\u00c0" <= char <= "\u024f" and char not in "×÷") or "\u1ea0" <= char <= "\u1ef9":
            if _misplaced(before, char, after):
                weights.append(_ODD)
            else:
                latin.append(char.lower())
        else:
            weights.append(_weigh(before, char, after))
    if not weights and not latin:
        return 1.0
    weights += [0.85 * _share_of_best_language(latin)] * len(latin)
    return sum(weights) / len(weights)


def _neighbours(text: str) -> Iterable[tuple[str, str, str]]:
    return zip(" " + text, text, text[1:] + " ", strict=False)


def _weigh(before: str, char: str, after: str) -> float:
    if char == "\ufffd" or char < "\u00a0" or "\ue000" <= char <= "\uf8ff":
        return _BROKEN
    if _EAST_ASIAN.match(char):
        return 1.0
    if _HAN.match(char):
        return 1.0 if char in _HAN_SET else 0.7 if _everyday_han(char) else 0.15
    if _HANGUL.match(char):
        return 1.0 if char in _HANGUL_SET else 0.7
    told = _RANKS.get(char.lower())
    if told is not None:
        if _misplaced(before, char, after):
            return _ODD
        return told[1] * _CAPITAL if char.isupper() and not after.islower() else told[1]
    if char in _SIGNS:
        within = before.isalpha() and after.isalpha() and char not in _JOINERS
        return _ODD if within else _PUNCTUATION
    return 0.1 if char.isalpha() else _ODD


def _misplaced(before: str, char: str, after: str) -> bool:
    """A capital after a small letter, or a letter beside one of another script or before a digit."""
    if (char.isupper() and before.islower()) or after.isdigit():
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
