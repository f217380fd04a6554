"""The sentences of an answer that claim something: all but headings, introductions of lists, courtesy
and what is said about the passages themselves.
"""

import re
from dataclasses import dataclass

from indexes.text.sentences import ANNOUNCES, QUESTION_MARKS, ends_sentence
from indexes.text.words import terms
from service.answering.no_answer import says_not_answered


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence, an item of a list or a row of a table that claims something."""

    text: str  # what it claims, without markers, signs of lists and words before it
    span: tuple[int, int]  # of the whole sentence, in Answer.text


_ITEM = re.compile(
    r"^\s*(?:>\s*)*(?:[-*+•◦▪‣·●○■]\s+|\d{1,3}[.)、．]\s*|[(（]\d{1,2}[)）]\s*|[一二三四五六七八九十]{1,3}、\s*"
    r"|(?:step|步骤|步驟)\s*\d+\s*[:：.]\s*)+",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"\*{1,3}|_{2,3}|`+")
_HEADING = re.compile(r"^\s*#{1,6}\s|^\s*\*\*[^*]+\*\*:?\s*$")
_BEFORE = re.compile(
    r"^\W*(?:(?:based on|according to|as (?:stated|mentioned|described|noted) in|from|in) (?:the |these |this |your )?"
    r"(?:\w+ ){0,2}?(?:passages?|documents?|context|text|information|sources?|excerpts?)(?: (?:\d+|above|provided|given))*,?"
    r"|(?:the |this |these )?(?:passages?|documents?|text|context|sources?|information) (?:\d+ )?"
    r"(?:says?|states?|mentions?|notes?|explains?|indicates?|shows?)(?: that)?,?"
    r"|(?:the |my )?answer(?: to (?:the|your|this) question)?(?: is)?(?: that)? ?[:,]?"
    r"|(?:yes|no|sure|certainly|of course|therefore|thus|so|hence|however|also|in addition|additionally|in summary|in short"
    r"|to summari[sz]e|overall|finally|unfortunately),"
    r"|(?:根据|根據|依据|依據|按照|从|從)[^，,。]{0,12}?(?:资料|資料|文档|文檔|文件|段落|上文|原文|材料|文章|内容|內容|信息|資訊)[^，,。]{0,6}[，,]"
    r"|(?:答案|回答|答)(?:是|为|為)?[:：，,]?|(?:因此|所以|总之|總之|综上所述|綜上所述|此外|另外|是的|不是|不)[，,])\s*",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r",? as (?:is |it is |it |the (?:passages?|documents?|text|context|sources?) )?(?:says?|states?|stated|mentions?|mentioned"
    r"|describe[sd]?|noted|shown|explain(?:s|ed)|indicate[sd]?)\b[^.!?]{0,40}(?=[.!?]?$)",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"^\W*(?:(?:hello|hi|hey|sure|certainly|of course|thanks?|thank you|welcome|yes|no|okay|ok|sorry|unfortunately"
    r"|(?:the )?(?:following|passages?|sources?|references?)(?: \d+)?)\W*$"
    r"|(?:hello|hi|hey|dear|thanks?|thank you|you['’]re welcome"
    r"|here (?:is|are|you (?:are|go))|here['’]s|below (?:is|are)"
    r"|i hope|hope this|i (?:will|can|would|am|was)|i['’](?:ll|m|d)|let me|let['’]s|feel free|as an ai"
    r"|please (?:note|let|feel|provide|specify"
    r"|clarify|ask)|if you (?:have|need|want|would like) (?:any|more|further|another|me|to know)"
    r"|for (?:more|further) (?:information|details|help))\b"
    r"|(?:您好|你好|谢谢|謝謝|感谢|感謝|当然可以|當然可以|好的|是的|不是|抱歉|对不起|對不起)\W*$"
    r"|以下是|下面是|希望(?:这|這|对|對|以上|能)|如果[您你](?:有|还|還|需)|如有|如需|请注意|請注意|请(?:问|告诉|提供)|請(?:問|告訴|提供)"
    r"|我(?:可以|会|會|将|將|能)|很抱歉|非常抱歉|作为(?:一个|一個)?(?:ai|人工智能))",
    re.IGNORECASE,
)
_HOLDS_A_FACT = re.compile(r"\d|[A-Z]\w+ [A-Z]\w+")
LONGEST_COURTESY = 20  # content words; what is longer claims something, however it begins
_ROW = re.compile(r"^\s*\|")


class ClaimFinder:
    """Finds the claims of one answer, whose sentences it is told one after the other."""

    def __init__(self) -> None:
        self._header = ""  # of the table that the last sentence was a row of

    def find(self, sentence: str, span: tuple[int, int]) -> Claim | None:
        """What the next sentence, without its markers, claims; None if it claims nothing."""
        if _ROW.match(sentence):
            return self._find_in_row(sentence, span)
        self._header = ""
        if _HEADING.match(sentence):
            return None
        text = _strip(sentence)
        return Claim(text, span) if _claims(text) else None

    def _find_in_row(self, row: str, span: tuple[int, int]) -> Claim | None:
        """The first row of a table, and the line below it, only say what stands in the others."""
        cells = " ".join(row.replace("|", " ").split())
        if not self._header:
            self._header = cells or "|"
            return None
        return Claim(cells, span) if list(terms(cells, question=True)) else None


def _strip(sentence: str) -> str:
    """Without signs of lists and of emphasis, and without words around the claim that only say where it is from."""
    text = _EMPHASIS.sub("", _ITEM.sub("", sentence)).strip()
    while (before := _BEFORE.match(text)) and before.end():
        text = text[before.end() :]
    return _AFTER.sub("", text)


def _claims(text: str) -> bool:
    words = list(terms(text, question=True))
    if not words or text.rstrip("\"'”’)） ").endswith(QUESTION_MARKS):
        return False
    if text.endswith(tuple(ANNOUNCES)) and not _HOLDS_A_FACT.search(text):
        return False
    if _COURTESY.match(text) and not _HOLDS_A_FACT.search(text) and len(words) <= LONGEST_COURTESY:
        return False
    return not says_not_answered(text)


def is_fragment(text: str) -> bool:
    """Whether it is less than a sentence: an answer of a word or two."""
    return not ends_sentence(text)
