"""What is shown if nothing answers: the nearest passages that the asker may read, and how to ask with
other words.

Both are made of nothing but the asker's view, so they are the same whether more exists or not.
"""

from collections.abc import Sequence

from indexes.text.scripts import Writing
from service.answering import phrases
from service.answering.prompt import Passage
from service.answering.untrusted import make_inert, make_label

AT_MOST = 3  # passages
NAMED = 2  # titles in the advice
NAME_CHARS = 60


def choose_nearest(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """The first few. passages: best first."""
    return tuple(passages[:AT_MOST])


def offer_other_words(writing: Writing, near: Sequence[Passage]) -> str:
    """One sentence of advice, with the words that these passages stand under."""
    names = dict.fromkeys(filter(None, map(_name_place, near)))
    if not names:
        return phrases.OTHER_WORDS[writing]
    quoted = phrases.OR[writing].join(f"“{name}”" for name in list(names)[:NAMED])
    return phrases.WORDS_SUCH_AS[writing].format(names=quoted)


def _name_place(passage: Passage) -> str:
    """The innermost heading above it, or else its document's title."""
    named = passage.section[-1] if passage.section else passage.title
    return make_inert(make_label(named, limit=NAME_CHARS))
