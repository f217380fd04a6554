"""The kind of thing that a question asks for, and whether a text has one that the question lacks."""

import re
from enum import StrEnum

from indexes.text.folding import fold_han


class Kind(StrEnum):
    """What is asked for."""

    NUMBER = "number"
    YEAR = "year"
    WHEN = "when"
    WHO = "who"
    WHERE = "where"
    WHY = "why"
    YES_OR_NO = "yes or no"
    HOW = "how"
    DEFINITION = "definition"
    OTHER = "other"


_MEASURES = (
    "percent(?:age)?|number|amount|share|price|cost|salary|population|size|height|length|width|depth|weight"
    "|temperature|rate|age|fee|budget|speed|distance|area|total|quota"
)
_PLACES = "city|country|place|state|town|region|island|continent|street|building|location|river|area|county|village"
_PEOPLE = (
    "person|people|man|woman|king|queen|president|author|actor|actress|singer|writer|scientist|emperor|leader|scholar"
    "|philosopher|artist|director|player|company|organi[sz]ation|team|group|university|party|tribe|family|dynasty"
)
_ASKS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            Kind.NUMBER,
            r"\bhow (?:many|much|old|long|far|tall|high|large|big|fast|often|deep|wide|heavy)\b"
            rf"|\bwhat(?: \w+){{0,3}}? (?:{_MEASURES})\b|\bwhich (?:{_MEASURES})\b"
            r"|多少|多久|几[个個名位人次种種条條座家所岁歲层層届天周]|多[长長高大远遠深宽寬重]|第几",
        ),
        (
            Kind.YEAR,
            r"\b(?:what|which) (?:\w+ )?(?:year|century|decade)\b|哪一?年|何年|几几年|哪个?世[纪紀]|哪個世[纪紀]",
        ),
        (
            Kind.WHEN,
            r"^\W*(?:[\w’'-]+ )?when\b|\b(?:since|until|by|from|and) when\b|\bwhen\W*$"
            r"|\b(?:what|which) (?:date|day|month|time)\b|何[时時]|什[么麼][时時][候间間]|甚麼時候"
            r"|哪[一]?[月天日]|几[年月日点點]|什[么麼][年时時]代",
        ),
        (
            Kind.WHO,
            rf"\bwho(?:m|se)?\b|\b(?:what|which) (?:\w+ )?(?:{_PEOPLE})\b|[谁誰]|哪[位人]|何人",
        ),
        (
            Kind.WHERE,
            rf"^\W*(?:[\w’'-]+ )?where\b|\b(?:from|and) where\b|\bwhere\W*$"
            rf"|\b(?:what|which) (?:\w+ )?(?:{_PLACES})\b|哪[里裡裏儿兒]|何[处處地]"
            r"|什[么麼]地[方点點]|哪一?[个個]?[国國城省市县縣州区區]",
        ),
        (
            Kind.WHY,
            r"\bwhy\b|\b(?:for )?what (?:was the |is the |were the )?(?:reasons?|causes?d?)\b"
            r"|为什么|為什麼|为何|為何|[什甚][么麼]原因",
        ),
        (Kind.HOW, r"\bhow\b|怎[么麼样樣]|如何"),
        (
            Kind.YES_OR_NO,
            r"^\W*(?:is|are|was|were|do|does|did|can|could|should|will|would|has|have|may|must|am)\b"
            r"|[吗嗎]\W*$|是否|是不是|能不能|可不可以|可否|有[没沒]有",
        ),
        (
            Kind.DEFINITION,
            r"^\W*what(?: is|'s|’s| are) (?:an? |the )?[\w-]+(?: [\w-]+){0,2}\?*\s*$|\bwhat does .{2,40} mean\b"
            r"|^\W*define\b|^\W*什[么麼]是|是[什甚][么麼]\W*$|[什甚][么麼]意思",
        ),
    )
)

SHORT = 3  # letters: a word that begins a sentence and may be any

_ENGLISH_NUMBERS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|eighteen|twenty"
    "|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?|half|third|quarter|twice"
    "|once|dozens?|daily|weekly|monthly|yearly|annually|several|both|single|couple|pair|none|few"
)
_GIVES: dict[Kind, re.Pattern[str]] = {
    kind: re.compile(pattern, flags)
    for kind, pattern, flags in (
        (
            Kind.NUMBER,
            rf"\d+(?:[.,]\d+)*|\b(?:{_ENGLISH_NUMBERS})\b|[一二两兩三四五六七八九十百千万萬亿億半数數几幾双雙][\u4e00-\u9fff]",
            re.IGNORECASE,
        ),
        (
            Kind.YEAR,
            r"\b(?:1\d|20)\d\ds?\b|\b\d{3}\b|\b[\w-]+ centur(?:y|ies)\b|\b\d+ (?:BC|AD|BCE|CE)\b"
            r"|\d{1,4}\s*年|[〇零一二三四五六七八九十元]{1,4}年|世[纪紀]|年代",
            re.IGNORECASE,
        ),
        (
            Kind.WHEN,
            r"\b(?:1\d|20)\d\ds?\b|\b[\w-]+ centur(?:y|ies)\b|\d{1,4}\s*[年月日号號]|世[纪紀]|年代|\d:\d\d|\b\d+ ?[ap]\.?m\b"
            r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday"
            r"|wednesday|thursday|friday|saturday|sunday|spring|summer|autumn|fall|winter|noon|midnight|morning|afternoon"
            r"|evening|night|daily|weekly|monthly|every|after|before|during|until|since|while|when|once)\b"
            r"|[〇零一二三四五六七八九十元]{1,4}[年月日]|[时時][候期]|之[后後前]|以[后後前]|[后後]来|期[间間]|朝|[当當][时時]",
            re.IGNORECASE,
        ),
        (Kind.WHO, r"\b[A-Z][\w’'-]+|[\u4e00-\u9fff]{2,}", 0),
        (
            Kind.WHERE,
            r"\b[A-Z][\w’'-]+|[\u4e00-\u9fff]{2,}|\b(?:in|at|on|near|under|between|within) \w+",
            0,
        ),
        (
            Kind.WHY,
            r"\b(?:because|due to|since|so that|in order to|caus\w+|result\w*|therefore|thus|as|reason|led|leads?|owing"
            r"|to avoid|to prevent|for)\b|因|由[于於]|所以|[为為]了|导致|導致|使|[于於]是|以便|[为為]|以",
            re.IGNORECASE,
        ),
    )
}
_DEFINES = re.compile(
    r"\b(?:is|are|was|were) (?:an?|the|any|one|defined)\b|\brefers? to\b|\bmeans?\b|\bknown as\b|是|指|即|[称稱][为為]",
    re.IGNORECASE,
)
_SENTENCE_STARTS = re.compile(r"^[\W\d]*\w+")


def kind_of(question: str) -> Kind:
    """What the question asks for; the first kind in the table that fits."""
    return next((kind for kind, asks in _ASKS if asks.search(question)), Kind.OTHER)


def gives(kind: Kind, text: str, question: str) -> bool | None:
    """Whether the text has such a thing that the question does not name itself; None if nothing in
    a text shows that kind.
    """
    text, question = fold_han(text), fold_han(question)
    if kind is Kind.DEFINITION:
        return _DEFINES.search(text) is not None
    pattern = _GIVES.get(kind)
    if pattern is None:
        return None
    # a capital at the beginning of a sentence may be that of any word
    begins = _SENTENCE_STARTS.match(text) if kind is Kind.WHO else None
    first_word = begins.end() if begins else 0
    lower = question.casefold()
    return any(
        found.group().casefold() not in lower
        and (found.start() >= first_word or not _is_small(found.group()))
        for found in pattern.finditer(text)
    )


def _is_small(word: str) -> bool:
    return len(word) <= SHORT or word.lower() in _BEGINNINGS


_SMALL = """
    after although another because before both during each even every from however many most other
    others over several since some such than that their then there these they this those though
    through thus under until upon when where which while with within without also between into more
    only what first second later despite according today
"""
_BEGINNINGS = frozenset(_SMALL.split())
"""Words that begin sentences and are no names."""
