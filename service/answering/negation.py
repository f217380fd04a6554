"""Whether a sentence says that something is not so."""

import re

_NOT = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|hardly)\b|n['’]t\b"
    r"|[不没沒无無未非别別勿]",
    re.IGNORECASE,
)
_NO_NEGATION = re.compile(
    r"\bnot only\b|\bno longer than\b|\bno later than\b|\bno (?:more|less|fewer) than\b|\bnone other\b|\bno\. ?\d"
    r"|不同|不少|不仅|不僅|不但|不过|不過|不断|不斷|不久|不止|不只|不得不|不管|不论|不論|不锈|不鏽|不等|不一|不如"
    r"|无论|無論|无数|無數|无线|無線|无锡|無錫|非常|非洲|非凡|除非|并非常|未来|未來|未婚|特别|特別|别人|別人|分别|分別|级别|級別|类别|類別"
    r"|性别|性別|区别|區別|个别|個別|别名|別名|别墅|別墅|别称|別稱|沉没|沉沒|淹没|淹沒|出没|出沒|没收|沒收",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[,;:，,；;：。.()（）]|\b(?:but|and|while|although|though|which|who|that|because|if|unless|except)\b|但|而|虽然|雖然|因为|因為"
)


def is_negated(text: str) -> bool:
    """Whether a word of negation stands in it, an odd number of times."""
    return len(_NOT.findall(_NO_NEGATION.sub(" ", text))) % 2 == 1


def split_clauses(text: str) -> list[str]:
    """The parts of a sentence, each of which may be denied without the others."""
    return [part for part in _CLAUSE.split(text) if part and part.strip()]
