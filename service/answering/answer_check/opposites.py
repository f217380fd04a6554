"""Words that turn a sentence into the answer to another question: opposites and negations."""

import re

_PAIRS = """
    first/last first/second earliest/latest oldest/youngest oldest/newest largest/smallest biggest/smallest
    highest/lowest most/least more/less more/fewer longest/shortest best/worst before/after north/south
    northern/southern east/west eastern/western increase/decrease increased/decreased increases/decreases
    increasing/decreasing maximum/minimum upper/lower above/below inside/outside male/female husband/wife
    father/mother son/daughter brother/sister import/export imports/exports buy/sell bought/sold won/lost
    win/lose winner/loser allowed/forbidden allowed/prohibited allow/prohibit allow/forbid accepted/rejected
    accept/reject include/exclude included/excluded with/without legal/illegal major/minor public/private
    possible/impossible begin/end began/ended start/finish started/ended starts/ends open/close opens/closes
    opened/closed arrive/leave enter/leave internal/external positive/negative always/never all/none
    strongest/weakest strong/weak rich/poor early/late ancient/modern left/right odd/even active/passive
    success/failure succeeded/failed support/oppose supported/opposed agree/disagree agreed/disagreed
    high/low large/small fast/slow fastest/slowest hottest/coldest common/rare similar/different
    最早/最晚 最大/最小 最高/最低 最多/最少 最长/最短 最新/最旧 首次/最后 第一/最后 第一/第二 之前/之后 以前/以后 增加/减少
    上升/下降 提高/降低 允许/禁止 可以/不得 父亲/母亲 丈夫/妻子 儿子/女儿 胜/负 赢/输 冠军/亚军 东部/西部 南部/北部 东/西 南/北
    进口/出口 开始/结束 优点/缺点 合法/非法 成功/失败 支持/反对 上/下 内/外 公立/私立 国内/国外 男/女
"""
_OPPOSITES: dict[str, frozenset[str]] = {}
for _pair in _PAIRS.split():
    _one, _other = _pair.split("/")
    _OPPOSITES[_one] = _OPPOSITES.get(_one, frozenset()) | {_other}
    _OPPOSITES[_other] = _OPPOSITES.get(_other, frozenset()) | {_one}

_WORD = re.compile(r"[a-z]+")
_CHINESE = re.compile(
    "|".join(
        sorted((w for w in _OPPOSITES if len(w) > 1 and not w.isascii()), key=len, reverse=True)
    )
)
_NEGATES = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|except|excluding|cannot|nobody|nothing|unable|fail(?:s|ed)?|lack(?:s|ed)?"
    r"|\w+n['’]t)\b"
    r"|[不没沒未无無非](?![同过過仅僅但久少断斷])|除了|除外|并非|並非",
    re.IGNORECASE,
)


def words_with_opposites(text: str) -> frozenset[str]:
    """Those of its words that have an opposite."""
    found = {word for word in _WORD.findall(text.lower()) if word in _OPPOSITES}
    return frozenset(found.union(_CHINESE.findall(text)))


def turned(asked: frozenset[str], told: frozenset[str]) -> bool:
    """Whether the text has the opposite of a word of the question, and not the word itself."""
    return any(
        word not in told
        and not _OPPOSITES[word].isdisjoint(told)
        and _OPPOSITES[word].isdisjoint(asked)
        for word in asked
    )


def negates(text: str) -> bool:
    """Whether something is denied or excepted in it."""
    return _NEGATES.search(text) is not None
