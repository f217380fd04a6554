"""The parts of a question that a follow-up may replace: a name, a year, a number, a thing, with where
they stand.

Found by the small words around them, in English and in Chinese; nothing here knows what words mean. A
question in another language has no parts, so nothing of it is replaced.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from indexes.text import stop_words
from indexes.text.stems import english_stem

Kind = Literal["year", "month", "weekday", "ordinal", "number", "name", "noun"]
COUNTED: frozenset[Kind] = frozenset({"year", "month", "weekday", "ordinal", "number"})
"""Kinds that stand only for others of their kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a question."""

    kind: Kind
    start: int
    end: int
    phrase: int  # where it begins with the small words before it: "on the", "for"
    until: int  # where that phrase ends
    text: str = ""
    before: str = ""  # the preposition before it, in lower case
    article: str = ""  # "a", or "the" for every other
    is_subject: bool = False  # what the question says something of
    has_of: bool = False  # "of" follows: what is asked of the next part
    unit: str = ""  # what is counted; of an ordinal, what is in order


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# --- English ------------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W_]+(?:[-.,'’/&:][^\W_]+)*|[^\w\s]")
_DIGITS = re.compile(r"\d[\d.,:]*")
_YEAR = re.compile(r"(?:1[5-9]|2[01])\d\d")
_MONTHS = _words(
    "january february march april may june july august september october november december"
)
_WEEKDAY = re.compile(r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?")
_SMALL_NUMBERS = _words(
    "two three four five six seven eight nine ten eleven twelve twenty thirty fifty hundred"
)
ASKING = _words("what which who whom whose when where why how")
AUXILIARIES = _words("""
    do does did is are was were am be been has have had can could will would shall should must may might isn't
    aren't wasn't doesn't don't didn't can't won't
""")
PREPOSITIONS = _words("""
    in at on for of to from by with without above below over under after before since until during between near
    into about per through within against among beyond inside outside
""")
_ARTICLES = _words(
    "a an the this that these those my our your their his her its every each any some no"
)
PRONOUNS = _words("i we you he she it they me us him them one people somebody anybody")
_SMALL = (
    stop_words.ENGLISH
    | PREPOSITIONS
    | AUXILIARIES
    | ASKING
    | PRONOUNS
    | _words(
        "because although when while as not still already ever never often exactly please else instead say says"
    )
)
_AFTER_BE = re.compile(
    r"(?!need|speed|seed|feed|bed|breed)\w+(?:ed|wn)|kept|paid|sent|made|built|held|sold|given|taken|found|done|written|open|closed|due|free"
    r"|available|allowed|called|located|set|left|won|lost|bought|read|born|met|run"
)
"""What is said of a thing in a question with `is`, and is no part of its name."""
_VERBS = _words("""
    accept allow apply approve arrive ask attend become begin belong book bring build buy call carry change charge
    check choose clean close come contain cost cover decide deliver drink drive earn eat elect employ end enter
    expire fall find finish get give go grow have help hire hold include join keep know last lead learn leave live
    lose make manage mean measure meet move need offer open order own park pay play produce provide publish put
    receive register remain repair replace reply request require return rise run save say score see sell send
    serve ship sign sleep spend start stay stop store study submit support take teach tell travel use visit wear
    weigh win work write
""")
"""Verbs that questions are asked with; one that is not among them is taken to end the question's subject."""
_ALIKE = {"of": "", "for": ""}  # prepositions that stand for none: holidays of Sales, for Sales


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        return self.text.casefold().replace("’", "'")

    @property
    def is_content(self) -> bool:
        return self.text[0].isalnum() and (self.lower not in _SMALL or self._is_capital_month)

    @property
    def _is_capital_month(self) -> bool:
        return self.text == "May"

    def is_name(self, *, is_first: bool) -> bool:
        """Whether it is written as a name or a code; the first word of a question has a capital anyway."""
        has_digit = any(sign.isdigit() for sign in self.text)
        if has_digit:
            return any(sign.isalpha() for sign in self.text)
        capitals = sum(sign.isupper() for sign in self.text)
        return capitals > (1 if is_first else 0)


def english_parts(question: str) -> list[Part]:
    """The parts of a question, in order."""
    words = _split_words(question)
    verb = _find_verb(words)
    found: list[Part] = []
    for first, last in _runs(words):
        if _is_asked_for(words, first):
            continue
        if verb is not None and first <= verb < last:
            found += _split_run(words, first, verb)
            first = verb + 1
        found += _split_run(words, first, last)
    return [replace(part, text=question[part.start : part.end]) for part in found]


def english_fragment(fragment: str) -> list[Part]:
    """What a fragment such as "for managers in Norway" names, one part for each phrase."""
    words = _split_words(fragment)
    runs = list(_join_lists(words, list(_runs(words))))
    if runs and any(word.lower in ASKING | AUXILIARIES for word in words):
        runs = [(runs[0][0], runs[-1][1])]  # "employees who work at night"
    return [_as_one_part(fragment, words, first, last) for first, last in runs]


def _as_one_part(fragment: str, words: Sequence[_Word], first: int, last: int) -> Part:
    """A run of a fragment: a name if it is all names, what is counted if it begins so, else a thing."""
    content = [at for at in range(first, last) if words[at].is_content]
    kinds = [_kind(words, at, is_first=False) for at in content]
    whole = _whole_run(words, first, last)
    if kinds[0] in COUNTED:
        unit = english_stem(words[content[1]].lower) if kinds[1:2] == [None] else ""
        end = words[content[0]].end
        return replace(whole, kind=kinds[0], end=end, text=fragment[whole.start : end], unit=unit)
    kind: Kind = "name" if set(kinds) == {"name"} else "noun"
    return replace(whole, kind=kind, text=fragment[whole.start : whole.end])


def _split_words(text: str) -> list[_Word]:
    return [_Word(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]


def _runs(words: Sequence[_Word]) -> Iterator[tuple[int, int]]:
    """Stretches of words that are no small ones: (first, behind the last)."""
    for is_content, group in groupby(range(len(words)), key=lambda at: words[at].is_content):
        places = list(group)
        if is_content:
            yield places[0], places[-1] + 1


def _join_lists(
    words: Sequence[_Word], runs: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """The same, "Norway and Sweden" as one."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        between = words[joined[-1][1] : first] if joined else ()
        if joined and len(between) == 1 and between[0].lower in ("and", "or", "&"):
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    yield from joined


def _is_asked_for(words: Sequence[_Word], first: int) -> bool:
    """Whether the question asks for this thing: how many holidays, which bus."""
    before = words[first - 1].lower if first else ""
    return before in ("how", "many", "much", "which", "what", "whose")


def _find_verb(words: Sequence[_Word]) -> int | None:
    """The place of the verb that an auxiliary needs: does the boat *need*; is the bridge *open*."""
    at = next((n for n, word in enumerate(words) if word.lower in AUXILIARIES), None)
    if at is None:
        return None
    runs = [run for run in _runs(words) if run[0] > at]
    if words[at].lower in ("is", "are", "was", "were", "be", "been"):
        later = [n for first, last in runs for n in range(first, last) if n > runs[0][0]]
        return next((n for n in later if _AFTER_BE.fullmatch(words[n].lower)), None)
    if at + 1 < len(words) and words[at + 1].lower in PRONOUNS:
        return runs[0][0] if runs else None
    for first, last in runs:
        if words[last : last + 1] and words[last].lower in AUXILIARIES:
            return None  # must tools be inspected: the verb follows
        if last - first > 1:
            return next((n for n in range(first + 1, last) if words[n].lower in _VERBS), last - 1)
        if words[last : last + 1] and words[last].lower not in PREPOSITIONS:
            return None
    return None


def _split_run(words: Sequence[_Word], first: int, last: int) -> Iterator[Part]:
    """The parts of a run: the names and numbers in it, and the whole as a thing."""
    if first >= last:
        return
    whole = _whole_run(words, first, last)
    kinds = [_kind(words, at, is_first=at == 0) for at in range(first, last)]
    place = first
    for kind, group in groupby(kinds):
        behind = place + len(list(group))
        if kind is not None:
            start, end = words[place].start, words[behind - 1].end
            unit = english_stem(words[behind].lower) if behind < last else ""
            phrase = whole.phrase if place == first else start
            yield replace(whole, kind=kind, start=start, end=end, phrase=phrase, unit=unit)
        place = behind
    if any(kind is None for kind in kinds) and kinds[0] not in COUNTED:
        yield whole


def _whole_run(words: Sequence[_Word], first: int, last: int) -> Part:
    phrase, before, article, is_subject = _look_before(words, first)
    start, end = words[first].start, words[last - 1].end
    return Part(
        kind="noun",
        start=start,
        end=end,
        phrase=phrase,
        until=end,
        before=before,
        article=article,
        is_subject=is_subject,
        has_of=last < len(words) and words[last].lower == "of",
    )


def _look_before(words: Sequence[_Word], first: int) -> tuple[int, str, str, bool]:
    """Where the phrase begins, its preposition and article, and whether it follows an auxiliary."""
    at = first
    while at and words[at - 1].lower in _ARTICLES:
        at -= 1
    preposition = words[at - 1].lower if at and words[at - 1].lower in PREPOSITIONS else ""
    phrase = words[at - 1 if preposition else at].start
    article = "" if at == first else "a" if words[at].lower in ("a", "an") else "the"
    is_subject = bool(at) and words[at - 1].lower in AUXILIARIES
    return phrase, preposition, article, is_subject


def _kind(words: Sequence[_Word], at: int, *, is_first: bool) -> Kind | None:
    """None for a word that is a part of a thing."""
    word, lower = words[at], words[at].lower
    if _YEAR.fullmatch(lower):
        return "year"
    if _DIGITS.fullmatch(lower) or lower in _SMALL_NUMBERS:
        return "number"
    if lower in _MONTHS and word.text[0].isupper():
        return "month"
    if _WEEKDAY.fullmatch(lower):
        return "weekday"
    return "name" if word.is_name(is_first=is_first) else None


# --- Chinese ------------------------------------------------------------------------------------

_NUMERALS = "〇零一二两兩三四五六七八九十百千万萬亿億"
_CHINESE_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "year",
        re.compile(r"\d{4}年|[〇零一二三四五六七八九]{4}年|民[国國]\w{1,3}年|[去今明前后後]年"),
    ),
    ("ordinal", re.compile(rf"第[\d{_NUMERALS}]+(?P<unit>季度|个月|個月|\w)")),
    ("month", re.compile(rf"(?:\d{{1,2}}|[{_NUMERALS}]{{1,2}})月份?|[上下本][个個]?月")),
    ("weekday", re.compile(r"(?:星期|周|週|[礼禮]拜)[一二三四五六日天末]")),
    (
        "number",
        re.compile(
            rf"(?:\d[\d.,]*|[{_NUMERALS}]+)(?P<unit>[万萬亿億]?(?:[元块塊天人次岁歲年件级級層层号號米吨噸]|小[时時]|公[里斤]|[个個]月))"
        ),
    ),
    ("name", re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)*|[A-Za-z0-9]+-\d+")),
)
_ASKS = (
    "什[么麼][时時]候|什[么麼]地方|什[么麼]|怎[么麼样樣]*|如何|哪[里裡些个個年位种種路]?|何[时時地处處]|多少|多[久长長大高远遠]|[几幾]"
    "|[谁誰]|是否|[为為]什[么麼]|[吗嗎呢吧]"
)
_MAY = "需要|可以|必[须須]|[应應][该該]"
_JOINS = (  # single characters that part a question, but for words in which they are something else
    r"(?<![所具])有(?![限效])|是|(?<!目)的|在|(?<![理自])由|(?<![费費使应應信作])用(?![户戶品途])|坐|去(?!年)|(?<![收达達迟遲])到(?![期底])"
    r"|从|從|[对對][于於]?(?![象方])|向|[给給]|被|把|和(?!平)|与|與|(?<![功技性智])能(?![力源])|(?<![重主需必])要|每|最|叫|需(?!求)|了(?!解)"
    r"|(?<![事员員工年晚社机機大协協国國])[会會](?![议議员員计計谈談场場展])"
)
_DOES = (  # verbs that seldom stand in names
    "[负負][责責]|管理|[領领][导導]|批准|提供|供[应應]|支付|[签簽][字署]|使用|申[请請]|[进進]行|参加|參加|[开開][门門放]|[关關][门門]|[报報][销銷]"
)
_ACTS = (  # verbs that do, and so part a question only after "may" or "must"
    "[驾駕][驶駛]|[检檢]查|[维維]修|修理|安[装裝]|[购購][买買]|[预預][订訂定]|租用|[参參][观觀]|[进進]入|[携攜][带帶]|提交|填[写寫]|[办辦]理"
    "|[领領]取|[缴繳][纳納]|[归歸][还還]|[维維][护護]|操作|陪同|[审審]批|[审審]核"
)
_BOUNDARY = re.compile(rf"[\W_]|{_ASKS}|(?:{_MAY})(?:{_ACTS})?|{_JOINS}|{_DOES}")
_TOPIC_TIME = re.compile(
    r"[早中晚]上|[上下]午|[周週]末|每[天年月周週]|[昨今明]天|[现現]在|平[时時]"
)
_PLACES = re.compile(
    "北京|上海|天津|重[庆慶]|[广廣]州|深圳|杭州|南京|[苏蘇]州|武[汉漢]|成都|西安|[长長]沙|[郑鄭]州|[济濟]南|青[岛島]|大[连連]|沈[阳陽]"
    "|[厦廈][门門]|福州|昆明|[贵貴][阳陽]|合肥|南昌|海口|三[亚亞]|拉[萨薩]|[兰蘭]州|[宁寧]波|[无無][锡錫]|香港|澳[门門]|[台臺]北|[台臺][湾灣]|高雄"
    "|中[国國]|美[国國]|英[国國]|法[国國]|德[国國]|日本|[韩韓][国國]|俄[罗羅]斯|印度|加拿大|新加坡|[欧歐]洲|[亚亞]洲"
)


def chinese_parts(question: str) -> list[Part]:
    """The parts of a question, in order: what is counted or dated, names in Latin letters, and the
    stretches between small words and common verbs, the first of which is its subject.
    """
    found = list(_chinese_counted(question))
    taken = [(part.start, part.end) for part in found]
    has_subject = False
    for start, end in _chinese_runs(question, taken):
        is_time = _TOPIC_TIME.fullmatch(question, start, end) is not None
        found.append(
            Part(
                kind="noun",
                text=question[start:end],
                start=start,
                end=end,
                phrase=start,
                until=end,
                is_subject=not has_subject and not is_time,
            )
        )
        has_subject = has_subject or not is_time
    return sorted(found, key=lambda part: part.start)


def chinese_fragment(fragment: str) -> list[Part]:
    """What a fragment names: what is counted in it and the thing behind that, or else the whole."""
    counted = list(_chinese_counted(fragment))[:1]
    thing = fragment[counted[0].end if counted else 0 :].strip("，,。 的")
    if len(thing) < (2 if counted else 1):
        return counted
    start = fragment.rindex(thing)
    end = start + len(thing)
    return [*counted, Part(kind="noun", text=thing, start=start, end=end, phrase=start, until=end)]


def _chinese_counted(question: str) -> Iterator[Part]:
    places: list[tuple[int, int, Kind, str]] = []
    for kind, pattern in _CHINESE_KINDS:
        for match in pattern.finditer(question):
            if all(match.end() <= start or match.start() >= end for start, end, *_ in places):
                places.append(
                    (match.start(), match.end(), kind, match.groupdict().get("unit") or "")
                )
    for start, end, kind, unit in sorted(places):
        yield Part(
            kind=kind,
            text=question[start:end],
            start=start,
            end=end,
            phrase=start,
            until=end,
            unit=unit,
        )


def _chinese_runs(question: str, taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What stands between the boundaries and beside what is taken already."""
    edges = [match.span() for match in _BOUNDARY.finditer(question)]
    at = 0
    for start, end in sorted([*edges, *taken, (len(question), len(question))]):
        if start - at > 1:
            yield at, start
        at = max(at, end)


# --- which part of a question a part of a fragment stands for -------------------------------------


def find_replaced(wanted: Part, parts: Sequence[Part], *, is_chinese: bool) -> Part | None:
    """The part that a follow-up replaces with this one; None if it adds to the question."""
    if wanted.kind in COUNTED:
        same = [part for part in parts if part.kind == wanted.kind]
        same = [
            part for part in same if not (part.unit and wanted.unit) or part.unit == wanted.unit
        ]
        return _prefer(same, wanted)
    things = [part for part in parts if part.kind not in COUNTED]
    return _find_chinese(wanted, things) if is_chinese else _find_english(wanted, things)


def _prefer(parts: Sequence[Part], wanted: Part) -> Part | None:
    """The last one, of those after the same preposition if there are such."""
    same = [part for part in parts if part.before == wanted.before]
    return next(reversed(same or parts), None)


def _find_english(wanted: Part, things: Sequence[Part]) -> Part | None:
    head = _head(wanted)
    place = _ALIKE.get(wanted.before, wanted.before)
    alike = [part for part in things if _ALIKE.get(part.before, part.before) == place]
    by_weight = (
        [
            part
            for part in things
            if part.kind == "noun" and " " in part.text and _head(part) == head
        ]
        if " " in wanted.text
        else [],
        [
            part
            for part in things
            if part.kind == wanted.kind and part.before == wanted.before != ""
        ],
        [part for part in alike if part.kind == wanted.kind == "name"],
        [part for part in things if part.before == wanted.before != ""],
        [part for part in things if part.kind == wanted.kind == "name"],
        [] if place else _by_likeness(wanted, alike),
    )
    return next((some[0] for some in by_weight if some), None)


def _by_likeness(wanted: Part, parts: Sequence[Part]) -> list[Part]:
    """What may be replaced without a preposition that tells, the likeliest first."""
    return sorted(
        parts,
        key=lambda part: (
            part.has_of,
            part.article != wanted.article and wanted.kind == "noun",
            not part.is_subject,
            part.kind != "noun",
        ),
    )


def _head(part: Part) -> str:
    """The last word of a thing, which says what it is."""
    return english_stem(part.text.split()[-1].casefold())


def _find_chinese(wanted: Part, things: Sequence[Part]) -> Part | None:
    names = [part for part in things if part.kind == wanted.kind == "name"]
    if names:
        return names[0]
    if _PLACES.fullmatch(wanted.text):
        for part in things:
            if place := _PLACES.search(part.text):
                start = part.start + place.start()
                return replace(
                    part, text=place.group(), start=start, end=start + len(place.group())
                )
    best = max(things, key=lambda part: _shared_end(part.text, wanted.text), default=None)
    if best is not None and _shared_end(best.text, wanted.text):
        return best
    return next((part for part in things if part.is_subject), None)


def _shared_end(one: str, other: str) -> int:
    """How many characters both end with."""
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return count
