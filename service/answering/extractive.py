"""The answerer without a model: the sentences of the passages that best match the question, quoted
and cited.

A sentence is worth the share of the question's words that it holds, rare ones counting more; a word
that only the sentences around it, the heading or the title hold counts in part. How rare a word is,
is learnt from these passages alone: nothing that the caller may not read has a say.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from indexes.text.folding import fold_han
from indexes.text.scripts import script
from indexes.text.sentences import ends_sentence
from indexes.text.words import terms
from service.answering.citations import Citation, Sentence, make_citation, split_sentences
from service.answering.prompt import Passage
from service.answering.untrusted import disarm, make_inert

# share of the question's words that a sentence, and in part what stands around it, must hold
ENOUGH = 0.5
AT_MOST = 3  # sentences
MAX_HEADER_CHARS = 600  # of what is quoted above a row; if there is more, its last lines
# of the score of a document's best sentence, for another one of it to be quoted too
NEARLY_AS_GOOD = 0.8
# what a word counts in the sentence next to it, in the title or elsewhere in the passage
NEAR, AROUND = 0.6, 0.5
RANK = 0.2  # head start of the best passage; the second has half of it
HINT = 0.1  # for a sentence that has the kind of thing that is asked for
PHRASE = 0.15  # for words that stand side by side as in the question

_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand"
    r"|million|billion|half|third|quarter)\b|[一二两三四五六七八九十百千万亿]+[个名位人次种只条座家所部届岁公里块]",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:1\d|20)\d\d\b|\bcentur(?:y|ies)\b|\d{1,4}\s*[年月日号]|世纪|年代|朝|\d:\d\d"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday"
    r"|wednesday|thursday|friday|saturday|sunday|spring|summer|autumn|winter|noon|midnight)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[\w,;:)\"”’] )[\"“(]?[A-Z]\w+")
_HOW_MANY = re.compile(
    r"\bhow (?:many|much|old|long|far|tall|high|large|big|fast|often)\b|\bwhat (?:percent|number|amount|share)"
    r"|多少|几[个名位人次种]|多[长高大远]",
    re.IGNORECASE,
)
_WHEN = re.compile(
    r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b"
    r"|何时|什么时候|什么时间|哪一?[年月天日]|几[年月日点]|哪个?世纪",
    re.IGNORECASE,
)
_WHO_OR_WHERE = re.compile(
    r"\bwho(?:m|se)?\b|\bwhere\b|\b(?:what|which) (?:city|country|person|company|place|state|town)\b",
    re.IGNORECASE,
)
_KINDS = ((_HOW_MANY, _NUMBER), (_WHEN, _DATE), (_WHO_OR_WHERE, _NAME))


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that answers."""

    passage: Passage
    sentence: Sentence
    score: float


@dataclass(frozen=True, slots=True)
class _Question:
    text: str
    words: tuple[str, ...]  # in order, each once
    weights: Mapping[str, float]

    def worth(self, forms: Set[str]) -> float:
        """How much of the question these words hold, rare ones counting more."""
        return sum(weight for word, weight in self.weights.items() if word in forms) / sum(
            self.weights.values()
        )

    def share(self, forms: Set[str]) -> float:
        """How much of the question these words hold, all counting alike: a word that is nowhere
        must not weigh most.
        """
        return sum(word in forms for word in self.words) / len(self.words)


def choose_quotes(question: str, passages: Sequence[Passage]) -> tuple[Quote, ...]:
    """One to three sentences that answer, the best first; none if support is weak.

    Each document has its say before any has a second one, and none is measured by another: whatever
    one of them says, that the documents hold no answer above all, cannot keep the others out.
    """
    chosen: list[Quote] = []
    best: dict[str, float] = {}  # of each document
    later: list[Quote] = []
    for candidate in sorted(_find_candidates(question, passages), key=_sort_key):
        document = candidate.passage.document_id
        if document in best:
            later.append(candidate)
        elif _is_new(candidate, chosen):
            best[document] = candidate.score
            chosen.append(candidate)
    for candidate in later:
        if candidate.score >= NEARLY_AS_GOOD * best[candidate.passage.document_id] and _is_new(
            candidate, chosen
        ):
            chosen.append(candidate)
    return tuple(sorted(chosen[:AT_MOST], key=_sort_key))


def _find_candidates(question: str, passages: Sequence[Passage]) -> Iterator[Quote]:
    """Every sentence that may answer."""
    split_up = [(passage, split_sentences(passage)) for passage in passages]
    asked = _weigh_words(
        question, [sentence for _, sentences in split_up for sentence in sentences]
    )
    if asked is not None:
        for passage, sentences in split_up:
            yield from _score_sentences(asked, passage, sentences)


def _sort_key(quote: Quote) -> tuple[float, int, int]:
    return -quote.score, quote.passage.n, quote.sentence.start


def _is_new(candidate: Quote, chosen: Sequence[Quote]) -> bool:
    """Whether it adds words to its document's other quotes; another document's must be the same."""
    return not any(
        candidate.sentence.forms <= quote.sentence.forms
        if candidate.passage.document_id == quote.passage.document_id
        else candidate.sentence.text == quote.sentence.text
        for quote in chosen
    )


def compose_answer(chosen: Sequence[Quote]) -> list[tuple[str, Citation]]:
    """The answer in pieces, each with its citation; the pieces together are the text."""
    pieces: list[tuple[str, Citation]] = []
    length = 0
    for quote in chosen:
        words = make_inert(disarm(_quoted_lines(quote.sentence)))
        marker = f"[{quote.passage.n}]"
        text = f"{chr(10) if pieces else ''}“{words}” {marker}"
        length += len(text)
        span = (length - len(marker), length)
        pieces.append((text, make_citation(quote.passage, quote.sentence, span, supported=True)))
    return pieces


def _quoted_lines(sentence: Sentence) -> str:
    """A sentence on one line; a row of a table below what stands above it."""
    above = [line for line in sentence.header.split("\n") if line]
    while above and sum(map(len, above)) > MAX_HEADER_CHARS:
        above = above[1:]
    return "\n".join(" ".join(line.split()) for line in (*above, sentence.text))


def _weigh_words(question: str, evidence: Sequence[Sentence]) -> _Question | None:
    """The question's words and what each is worth among these sentences; None if there are none."""
    words = tuple(dict.fromkeys(term.form for term in terms(question, question=True)))
    words = words or tuple(dict.fromkeys(term.form for term in terms(question)))
    if not words or not evidence:
        return None
    held = Counter(word for sentence in evidence for word in sentence.forms)
    count = len(evidence)
    weights = {
        word: math.log(1 + (count - held[word] + 0.5) / (held[word] + 0.5)) for word in words
    }
    return _Question(question, words, weights)


def _score_sentences(
    asked: _Question, passage: Passage, sentences: Sequence[Sentence]
) -> list[Quote]:
    around = {term.form for term in terms(f"{passage.title} {' '.join(passage.section)}")}
    around = around.union(*(sentence.forms for sentence in sentences))
    found: list[Quote] = []
    for place, sentence in enumerate(sentences):
        beside = sentence.forms.union(
            *(other.forms for other in sentences[max(0, place - 1) : place + 2])
        )
        if sentence.forms.isdisjoint(asked.words) or sentence.forms <= set(asked.words):
            continue  # it says nothing about the question, or nothing but the question
        if _grade(asked.share, sentence.forms, beside, around) < ENOUGH:
            continue
        score = (
            _grade(asked.worth, sentence.forms, beside, around)
            + RANK / passage.n
            + _score_hints(asked, sentence)
        )
        found.append(Quote(passage, sentence, score))
    return found


def _grade(
    measure: Callable[[Set[str]], float], own: Set[str], beside: Set[str], around: Set[str]
) -> float:
    """What a sentence holds of the question, and in part what its neighbours and its passage hold
    beyond it.
    """
    held, near, far = measure(own), measure(beside), measure(around)
    return held + NEAR * (near - held) + AROUND * (far - near)


def _score_hints(asked: _Question, sentence: Sentence) -> float:
    hint = 0.0
    question, text = fold_han(asked.text), fold_han(sentence.text)
    for asks, answers in _KINDS:
        if asks.search(question):
            hint += HINT if _has_new(answers, text, question) else -HINT
            break
    order = [term.form for term in terms(sentence.text)]
    pairs = set(pairwise(order))
    wanted = list(pairwise(asked.words))
    if wanted and script(asked.text) == "en":
        hint += PHRASE * sum(pair in pairs for pair in wanted) / len(wanted)
    if not ends_sentence(sentence.text) and not sentence.header:
        hint -= HINT  # a heading or a fragment
    return hint


def _has_new(kind: re.Pattern[str], text: str, question: str) -> bool:
    """Whether the text has a thing of this kind that the question does not name itself."""
    return any(match.group().strip('"“(') not in question for match in kind.finditer(text))
