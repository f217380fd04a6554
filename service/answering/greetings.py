"""Greetings, thanks and "what can I ask here?", as far as a question says nothing else.

No model is asked and nothing is searched for: the reply is made of what the asker may read, in
numbers and a few titles, or of nothing at all.
"""

import re
import time
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, Protocol

from indexes.catalog.filters import Filters
from indexes.errors import Busy
from indexes.model import DocumentEntry, Principal
from indexes.search.document_list import DocumentPage, ViewSummary
from indexes.text.scripts import Script, Writing, script
from service.answering import phrases
from service.answering.steps import Asked, Found
from service.answering.untrusted import make_inert, make_label

Courtesy = Literal["greeting", "offer", "thanks"]
"""`offer`: a question for what can be asked."""

LONGEST = 80  # characters; what is longer says something else
TITLES = 5  # that are named
LOOKED_AT = 60  # documents of which these are chosen
PLACES = 6  # collections or sources that are counted for themselves
TITLE_CHARS = 80
MOST_READS = 10  # of a view, until nothing changes meanwhile

_APOSTROPHE = str.maketrans("’`´", "'''")
_SPOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_IS = re.compile(r"\b(what|who)'s\b")

_HELLO = (
    r"(?:hi|hello|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day))"
    r"(?: (?:there|all|everyone|everybody|again))?"
)
_HOW_ARE_YOU = r"how are you(?: doing)?(?: today)?"
_THINGS = "documents|docs|files|sources|collections|topics"
_OFFER = (
    r"(?:please )?(?:who are you|what are you"
    r"|what can (?:you do|you help(?: me)?(?: with)?|i ask(?: you)?(?: about)?)(?: (?:here|for me))*"
    r"|(?:what|which)(?: (?:kinds?|sorts?) of)? questions can (?:i ask(?: you)?|you answer)(?: here)?"
    r"|how can you help(?: me)?|what do you know|what is (?:in )?here"
    rf"|(?:what|which) (?:{_THINGS}) (?:do you (?:have|know)|are (?:there|here|available)"
    r"|can (?:i|you) (?:read|see|search|use|ask about))(?: here)?"
    r"|(?:can you )?help(?: me)?)(?: please)?"
)
_THANKS = (
    r"(?:(?:ok|okay|great|perfect|super|good|cool|nice|very good) )?"
    r"(?:thanks|thank you|thx|ty|cheers|many thanks)"
    r"(?: (?:a lot|so much|very much|again|all|for (?:your|the|all your) (?:help|answers?)"
    r"|that helps|that helped|that is all|bye))*|bye|goodbye|bye bye|see you(?: later)?"
)
_HELLO_ZH = (
    r"(?:[你您妳]好|大家好|哈[喽囉啰罗羅]|嗨|早上好|上午好|中午好|下午好|晚上好|早安|午安|晚安|在[吗嗎]|有人[吗嗎])"
    r"[呀啊吗嗎哦喔]?"
)
_WHAT_ZH = r"(?:什[么麼]|哪些|些什[么麼]|啥)"
_OFFER_ZH = (
    r"(?:[请請][问問])?(?:"
    rf"[你您妳](?:是[谁誰]|是什[么麼]|叫什[么麼](?:名字)?|(?:能|可以|[会會])(?:做|[干幹])?{_WHAT_ZH}(?:事|事情)?"
    rf"|(?:能|可以)[帮幫]我?(?:做|[干幹])?{_WHAT_ZH}忙?|(?:能|可以)回答{_WHAT_ZH}(?:[问問][题題])?|知道{_WHAT_ZH})"
    rf"|(?:我|在?[这這][里裡裏兒儿]?)*(?:能|可以)(?:[问問])[你您妳]?{_WHAT_ZH}(?:[问問][题題]|[内內]容)?"
    rf"|(?:[你您妳我]|[这這][里裡裏兒儿]?)*都?(?:有|(?:能|可以)(?:看到?|[阅閱][读讀]|查[询詢看]?|[读讀]))"
    rf"{_WHAT_ZH}(?:文[档檔件]|[资資]料|[档檔]案|主[题題]|[内內]容)"
    r"|(?:使用)?[帮幫]助|使用[说說]明)[呢啊呀]?"
)
_THANKS_ZH = (
    r"(?:好的?|好吧|嗯|太好了|明白了?|知道了|非常|十分)*"
    r"(?:[谢謝]{2}|多[谢謝]|感[谢謝]|[谢謝]了)(?:[你您妳们們啦了哦喔啊]|大家|的?[帮幫]助)*|再[见見]|拜拜|辛苦了"
)
_KINDS: tuple[tuple[Courtesy, re.Pattern[str]], ...] = (
    ("greeting", re.compile(rf"(?:{_HELLO}|(?:{_HELLO} )?{_HOW_ARE_YOU})|{_HELLO_ZH}")),
    ("offer", re.compile(rf"(?:{_HELLO} )?{_OFFER}|(?:{_HELLO_ZH})?{_OFFER_ZH}")),
    ("thanks", re.compile(rf"{_THANKS}|{_THANKS_ZH}")),
)


def find_courtesy(question: str) -> Courtesy | None:
    """What it is if it is a courtesy and nothing else; None for every other question."""
    if len(question) > LONGEST:
        return None
    folded = unicodedata.normalize("NFKC", question).casefold().translate(_APOSTROPHE)
    between = " " if script(question) == "en" else ""
    said = _IS.sub(r"\1 is", between.join(_SPOKEN.findall(folded)))
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(said)), None)


class ViewSource(Protocol):
    """Tells which view somebody has."""

    def view_now(self, principal: Principal, at_least: str | None = None) -> tuple[str, str]:
        """Its id, and the sealed position of the state. Raises NotAuthenticated and TooOld. Blocking."""
        ...


class DocumentSource(Protocol):
    """Lists and counts what somebody may read. Both calls block."""

    def page(
        self, principal: Principal, filters: Filters, cursor: str | None, most: int
    ) -> DocumentPage: ...

    def summary(self, principal: Principal, filters: Filters) -> ViewSummary: ...


class Greeter:
    """Replies to courtesies. Holds no state between questions."""

    def __init__(self, views: ViewSource, documents: DocumentSource) -> None:
        self._views = views
        self._documents = documents

    def reply(self, asked: Asked, courtesy: Courtesy) -> tuple[Found, str]:
        """What was read for it, and the text. Blocking.

        Raises NotAuthenticated, TooOld and Busy.
        """
        view_id, position = self._views.view_now(asked.principal, asked.ask.at_least)
        named: tuple[DocumentEntry, ...] = ()
        if courtesy == "thanks":
            text = phrases.WELCOME[asked.writing]
        else:
            view_id, position, summary, listed = self._read_view(asked, view_id, position)
            named = choose_documents(listed, asked.language)
            text = compose_offer(courtesy, asked.writing, summary, named)
        asked.permission.add_documents(entry.id for entry in named)
        found = Found(
            asked=asked,
            hits=(),
            left_out=(),
            view_id=view_id,
            position=position,
            template=None,
            searched=time.perf_counter(),
            named=tuple(entry.id for entry in named),
        )
        return found, text

    def _read_view(
        self, asked: Asked, view_id: str, position: str
    ) -> tuple[str, str, ViewSummary, Sequence[DocumentEntry]]:
        """The view's id and position, its numbers and some of its documents, all of one view: read
        again if it has changed meanwhile.
        """
        filters = asked.ask.filters or Filters()
        for _ in range(MOST_READS):
            before = view_id
            summary = self._documents.summary(asked.principal, filters)
            page = self._documents.page(asked.principal, filters, None, LOOKED_AT)
            view_id, position = self._views.view_now(asked.principal, asked.ask.at_least)
            if view_id == before:
                return view_id, position, summary, page.documents
        raise Busy("The documents change faster than they can be counted.", remedy="Ask again.")


def choose_documents(
    listed: Sequence[DocumentEntry], language: Script
) -> tuple[DocumentEntry, ...]:
    """A few of them from as many folders as there are; those with a title in this language first."""
    folders: dict[str, list[DocumentEntry]] = defaultdict(list)
    for entry in sorted(listed, key=lambda entry: script(entry.title) != language):
        folders[entry.path.rpartition("/")[0]].append(entry)
    chosen: list[DocumentEntry] = []
    while len(chosen) < TITLES and any(folders.values()):
        chosen += [entries.pop(0) for entries in folders.values() if entries]
    return tuple(chosen[:TITLES])


def compose_offer(
    courtesy: Courtesy, writing: Writing, summary: ViewSummary, named: Sequence[DocumentEntry]
) -> str:
    """What can be asked here, in the numbers of this view and with some titles of it."""
    said = [phrases.HELLO[writing]] if courtesy == "greeting" else []
    said.append(phrases.WHAT_IS_DONE[writing])
    said.append(_count_documents(writing, summary))
    between = " " if writing == "en" else ""
    titles = [f"- {_make_line(entry.title or entry.path)}" for entry in named]
    if not titles:
        return between.join(said)
    return "\n".join([between.join([*said, phrases.SOME_OF_THEM[writing]]), "", *titles])


def _count_documents(writing: Writing, summary: ViewSummary) -> str:
    if not summary.documents:
        return phrases.NO_DOCUMENTS[writing]
    counted = summary.collections if len(summary.collections) > 1 else summary.sources
    if len(counted) < 2:
        return phrases.DOCUMENTS[writing].format(count=summary.documents)
    places = [
        phrases.PLACE[writing].format(name=_make_line(name), count=count)
        for name, count in counted[:PLACES]
    ]
    more = ["…"] if len(counted) > PLACES else []
    told = phrases.COMMA[writing].join([*places, *more])
    return phrases.DOCUMENTS_BY_PLACE[writing].format(count=summary.documents, places=told)


def _make_line(name: str) -> str:
    """A name as it can stand in an answer."""
    return make_inert(make_label(name, limit=TITLE_CHARS))
