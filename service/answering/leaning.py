"""Whether a question leans on the conversation before it: it names nothing of its own, or says "it" of
something that it does not name.

A word such as "it" is no lean if the question has what it stands for, or if it stands for nothing: "is
it true that", "how long does it take to".
"""

import re
from collections.abc import Sequence

from indexes.text.scripts import script
from indexes.text.words import terms
from service.answering.question_parts import (
    ASKING,
    AUXILIARIES,
    PREPOSITIONS,
    Part,
    chinese_parts,
    english_parts,
)

FEW = 2  # content words; a question with fewer leans on the one before
LONGEST = 300  # characters; a longer question stands alone
LONGEST_FRAGMENT = 12  # words, or twice as many characters of Chinese

# --- English ------------------------------------------------------------------------------------

_CONNECTIVE = re.compile(
    r"\W*(?:(?:and|but|or|so|then|also|ok|okay|well|thanks|thank you)\b[\s,]*)*"
    r"(?:(?:what|how) about\b\s*|what if it is\b\s*|now\b\s*|the same for\b\s*)?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[,;:?!.]")
_SUBORDINATE = "if|when|while|before|after|once|until|unless|since|although|because|as soon as"
_CLAUSE = re.compile(
    rf"[,;]|\b(?:{_SUBORDINATE}|and|but|or|so|that|which|who|whose|then|than|where|whether|as (?:long|soon|far|much) as)\b",
    re.IGNORECASE,
)
_FRONTED = re.compile(rf"\W*(?:{_SUBORDINATE})\b[^,]*,", re.IGNORECASE)
_SAYS_NOTHING = re.compile(  # `it` and `there` that stand for nothing
    r"\b(?:is|was|be|will|would|can|could|does|did|isn't|wasn't) it (?:\w+ ){0,3}?"
    r"(?:true|false|right|correct|possible|allowed|permitted|forbidden|necessary|required|needed|mandatory|safe|legal"
    r"|ok|okay|fine|best|better|worth|enough|important|usual|common|easy|hard|difficult|raining|snowing|dark|cold|warm)\b"
    r"|\b(?:it|it'll|it will|it would) (?:really |usually |normally )?(?:take|takes|took|cost|costs)\b[^?]{0,200}\bto\b"
    r"|\bwhat (?:time|day|date|year) is it\b|\bit (?:rain|snow)s?\b|\bcomes? (?:down )?to it\b|\bwhen it comes to\b"
    r"|\b(?:is|was) it (?:that|like to|far|long until)\b|\bhow (?:far|long|late) is it (?:to|from|until)\b"
    r"|\b(?:make|makes|find|finds|keep) it (?:\w+ )?(?:hard|easy|easier|difficult|possible|impossible|necessary)\b"
    r"|\b(?:is|are|was|were|be|been|has|have|isn't|aren't) there\b|\bthere (?:is|are|was|were|be|been|has been|have been)\b"
    r"|\bwas it (?:really )?in \d{4} that\b",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"\b(?:this|these) (?:year|month|week|morning|afternoon|evening|quarter|time|summer|winter|spring|autumn|days?"
    r"|company|office|building|service|house)\b",
    re.IGNORECASE,
)
_THOSE_WHO = re.compile(
    r"\b(?:those|that|this|these|one|ones) (?:who|that|which|of|in|with)\b", re.IGNORECASE
)
_ITS = re.compile(
    r"\b(?:its|their|his|her)\b(?=\s+\w)|\b(?:it|him|her)self\b|\bthemselves\b", re.IGNORECASE
)
_IT = re.compile(
    r"\b(?:it|they|them|he|him|she|her|hers|theirs|there|this|these|those)\b"
    r"|\bthat(?=\W*$)|(?<=\bis )that\b|(?<=\bwas )that\b|(?<=\bdoes )that\b|(?<=\bdid )that\b|(?<=\bdo )that\b"
    r"|(?<=\bare )those\b|(?<=\babout )that\b|(?<=\bfor )that\b|(?<=\bof )that\b|^\W*that\b"
    r"|(?<!\w )\bsuch\b|(?<!this )(?<!that )(?<!which )(?<!the )\bones?(?=\W*$)",
    re.IGNORECASE,
)
_IS_A = re.compile(
    r"\W*(?:who|what)(?:'s|’s| is| are| was| were) (?!(?:the|this|that|these|those|its?|his|her|their)\b)",
    re.IGNORECASE,
)


def leans(question: str) -> bool:
    """Whether it has to be completed from the conversation before it."""
    if len(question) > LONGEST:
        return False
    return _leans_en(question) if script(question) == "en" else _leans_zh(question)


def find_fragment(question: str) -> str | None:
    """What a question names that is nothing but that: "Sales" in "And what about Sales?". None if it
    says more.
    """
    return _fragment_en(question) if script(question) == "en" else _fragment_zh(question)


def count_words(question: str) -> int:
    """How many content words it has, each once."""
    return len({term.form for term in terms(question, question=True)})


def _fragment_en(question: str) -> str | None:
    connective = _CONNECTIVE.match(question)
    begun = connective.end() if connective else 0
    rest = question[begun:].strip().rstrip("?!. ")
    rest = re.sub(r"^the ones? (?=\w+ )", "", rest, flags=re.IGNORECASE)
    words = [word.casefold() for word in _WORD.findall(rest)]
    if not words or len(words) > LONGEST_FRAGMENT or words[0] in ASKING or words[0] in AUXILIARIES:
        return None
    is_continued = question[:begun].strip(" ,") != ""
    if not is_continued and (
        not (words[0] in PREPOSITIONS or count_words(rest) < FEW)
        or any(word in ASKING or word in AUXILIARIES for word in words)
    ):
        return None
    return None if _IT.search(rest) or not count_words(rest) else rest


def _leans_en(question: str) -> bool:
    if find_fragment(question) is not None:
        return True
    if count_words(question) < FEW:
        return not _names_what_it_asks(question)
    if _is_open_question(question):
        return True
    connective = _CONNECTIVE.match(question)
    question = question[connective.end() :] if connective else question
    told = _SAYS_NOTHING.sub(lambda found: re.sub(r"\w", "_", found.group()), question)
    told = _THOSE_WHO.sub("-", _NOW.sub("-", told))
    parts, leaning = english_parts(told), [*_ITS.finditer(told), *_IT.finditer(told)]
    return any(not _stands_for_own(told, parts, found) for found in leaning)


def _names_what_it_asks(question: str) -> bool:
    """Whether the only content word is a name, or the thing that is to be explained: what is Wulver?"""
    return _IS_A.match(question) is not None and bool(count_words(question))


def _is_open_question(question: str) -> bool:
    """Whether it goes on without a verb of its own: "and how many days in 2020?"."""
    connective = _CONNECTIVE.match(question)
    rest = question[connective.end() :] if connective else question
    words = [word.casefold() for word in _WORD.findall(rest)]
    if rest == question or not words or words[0] in ("who", "what", "which", "whose"):
        return False
    return words[0] in ASKING and not any(word in AUXILIARIES for word in words)


def _stands_for_own(question: str, parts: Sequence[Part], word: re.Match[str]) -> bool:
    """Whether the question names before it what the word stands for: for "its" anywhere, for "it" in
    another clause; or after it, if the word is in a clause that goes first. parts: of the question.
    """
    named = min((part.end for part in parts), default=len(question))
    if named <= word.start() and (
        word.re is _ITS or _CLAUSE.search(question, named, word.start()) is not None
    ):
        return True
    fronted = _FRONTED.match(question)
    goes_first = fronted is not None and word.end() <= fronted.end()
    return goes_first and any(part.start > word.end() for part in parts)


# --- Chinese ------------------------------------------------------------------------------------

_CONNECTIVE_ZH = re.compile(
    r"[\s，,]*(?:那[么麼]?(?![个個些种種份里裡裏边邊时時位家])|[还還]有|另外|然[后後]|而且|[换換]成|如果是|要是|至[于於]|再[请請][问問])[\s，,]*"
)
_ASKS_ZH = re.compile(
    r"什[么麼]|怎|如何|[谁誰]|[几幾]|多少|多[久长長大高远遠]|哪|何|[吗嗎]|是否|能不能|可不可以|有[没沒]有"
)
_ENDING_ZH = re.compile(r"(?:的?呢|怎[么麼][样樣]|又?如何|的[话話])?[\s?？。!！]*$")
_IT_ZH = re.compile(
    r"(?:(?<![^\W在对對把被让讓和与與说說向给給是由为為随隨将將从從问問时時])[它牠他她](?!人)|(?<![其吉])[它牠他她](?=[们們的]))"
    r"(?P<own>[们們]?的)?"
    r"|^\W*其(?![他它她中实實次余餘])"
    r"|^\W*[该該](?!怎|如何|去|找|向|由[谁誰]|不[该該]|[当當])"
    r"|^\W*[这這](?![里裡裏儿兒家])|(?<![^\W在对對从從为為了把由于於给給被向和与與是])[这這](?:[个個些种種份项項件次][^里裡裏]|是|[样樣])"
    r"|^\W*那(?:[个個些种種份里裡裏边邊时時位])"
)
_IS_A_ZH = re.compile(
    r"\W*(?:什[么麼]是(?=\w{2})|(?![这這那它牠他她其])\w{2,}是(?:什[么麼]|[谁誰])\W*$)"
)
_CLAUSE_ZH = re.compile(r"[，,；;。]")
_NAMED_ZH = 2  # characters before the clause ends that may name what `it` stands for


def _fragment_zh(question: str) -> str | None:
    connective = _CONNECTIVE_ZH.match(question)
    rest = question[connective.end() :] if connective else question.strip()
    ending = _ENDING_ZH.search(rest)
    assert ending is not None
    rest, end = rest[: ending.start()], ending.group()
    is_continued = connective is not None or end.startswith(("呢", "的呢"))
    if not is_continued and end.startswith(("怎", "如何", "又如何")):
        return None
    if not rest or len(rest) > 2 * LONGEST_FRAGMENT or _ASKS_ZH.search(rest) or _IT_ZH.search(rest):
        return None
    return rest if is_continued or count_words(rest) < FEW else None


def _leans_zh(question: str) -> bool:
    if _fragment_zh(question) is not None:
        return True
    if count_words(question) < FEW:
        return not _IS_A_ZH.match(question)
    if any(not _is_named_before(question, found) for found in _IT_ZH.finditer(question)):
        return True
    connective = _CONNECTIVE_ZH.match(question)
    return connective is not None and not _has_topic(question[connective.end() :])


def _is_named_before(question: str, word: re.Match[str]) -> bool:
    """Whether the question may name what the word stands for: before "its", or in an earlier clause."""
    ends = [found.start() for found in _CLAUSE_ZH.finditer(question, 0, word.end())]
    until = word.start() if word["own"] else ends[-1] if ends else 0
    return count_words(question[:until]) >= _NAMED_ZH


def _has_topic(question: str) -> bool:
    """Whether a Chinese question begins with what it asks about."""
    parts = chinese_parts(question)
    return (
        bool(parts)
        and parts[0].kind in ("noun", "name")
        and parts[0].is_subject
        and not parts[0].start
    )
