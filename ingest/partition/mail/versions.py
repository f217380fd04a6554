"""Of versions of one text in a message the one that says most, and what only the others say."""

import re
from dataclasses import dataclass

from ingest.elements import Element
from ingest.partition.attachments import Attachment

ENOUGH = 0.8  # a version with so large a share of the words of another is taken for its tables
SAME = 0.05  # so few words of HTML are not in plain text if the two say the same
OWN_WORDS = 40  # a rejected version with so many words of its own is kept as well
OWN_SHARE = 0.3
_WORD = re.compile(r"https?://\S+|(\w+)")
_STUB = re.compile(
    r"\b(?:html|browser|e?-?mail (?:program|client|reader|software)|online version|web version|view (?:this|it|the)"
    r"|(?:can ?not|can't|unable to) (?:show|display|view|read)|not support\w*|click here|sent from my|outlook"
    r"|nicht (?:dargestellt|angezeigt|unterstützt)|E-Mail-Programm|navigateur|messagerie|navegador|correo)\b"
    r"|不支持|无法显示|瀏覽器|浏览器|表示できません",
    re.IGNORECASE,
)
"""What a note says whose only purpose is to point to the other version."""


@dataclass(slots=True)
class Content:
    """What one part of a message, with all parts inside it, gives."""

    elements: list[Element]
    attachments: list[Attachment]
    rich: bool = False  # it has structure: HTML or the like

    def add(self, other: "Content") -> None:
        self.elements += other.elements
        self.attachments += other.attachments
        self.rich = self.rich or other.rich


def join_contents(contents: list[Content]) -> Content:
    whole = Content([], [])
    for content in contents:
        whole.add(content)
    return whole


def choose_version(contents: list[Content], kinds: list[str]) -> Content:
    """Of versions of one text the one that says most; invitations beside it, attachments of all."""
    calendar = [
        content for content, kind in zip(contents, kinds, strict=True) if kind == "text/calendar"
    ]
    versions = [(content, _words_of(content)) for content in contents if content not in calendar]
    best, words = Content([], []), set[str]()
    for content, own in versions:
        if _says_more(content, own, best, words):
            best, words = content, own
    whole = Content([], [], best.rich)
    for content, own in versions:
        if content is best or _says_other_things(content, own, words):
            whole.elements += content.elements
    for content in calendar:
        whole.elements += _unsaid(content.elements, words)
    whole.attachments += [each for content in contents for each in content.attachments]
    return whole


def _says_more(one: Content, own: set[str], other: Content, words: set[str]) -> bool:
    """Whether this version is the better one; of equals, that with tables, then plain text."""
    if not own or not words:
        return bool(own)
    if _has_tables(one) != _has_tables(other):
        return (
            len(own) >= ENOUGH * len(words) if _has_tables(one) else len(words) < ENOUGH * len(own)
        )
    if one.rich == other.rich:
        return len(own) > len(words)
    rich, plain = (own, words) if one.rich else (words, own)
    says_the_same = len(rich - plain) <= max(2, SAME * len(rich))
    return one.rich == (not says_the_same and len(rich) >= ENOUGH * len(plain))


def _has_tables(content: Content) -> bool:
    return any(element.kind == "table" for element in content.elements)


def _says_other_things(content: Content, own: set[str], words: set[str]) -> bool:
    """Whether a version that is not the best has much of its own, and is no note that says to
    look at the other one.
    """
    unseen = own - words
    if len(unseen) >= OWN_WORDS:
        return len(unseen) > OWN_SHARE * len(own)
    text = " ".join(element.text for element in content.elements)
    return len(unseen) > len(own) // 2 and not _STUB.search(text)


def _unsaid(elements: list[Element], words: set[str]) -> list[Element]:
    """Entries of an invitation, if they say what the message does not."""
    told = set().union(*(_split_words(element.text) for element in elements)) if elements else set()
    return elements if told - words else []


def _words_of(content: Content) -> set[str]:
    return set().union(*(_split_words(element.text) for element in content.elements), set())


def _split_words(text: str) -> set[str]:
    return {found.casefold() for found in _WORD.findall(text) if found}
