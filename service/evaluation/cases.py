"""One labelled question, as a measurement asks it."""

from dataclasses import dataclass

from service.answering.prompt import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question with what is known of its answer."""

    id: str  # within its set
    question: str
    user: str  # who asks: "user:ada"
    answerable: bool  # by documents that this user may read
    answers: tuple[str, ...] = ()  # any one of them is right; empty if none is known
    # paths of those that answer it and that the user may read
    documents: frozenset[str] = frozenset()
    history: tuple[Turn, ...] = ()  # what was said before, oldest first; empty: it stands alone
