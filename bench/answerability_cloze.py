"""Questions made from sentences by asking for one thing that they name: practice for the answer scorer, before it
sees questions that people wrote.

The thing is replaced by a question word of its kind. In Chinese that word stands where the answer
does, so that the clause reads as a question; in English it goes to the front, and some words are
left out, so that not every word of the question stands in the text.
"""

import random
import re
from collections.abc import Iterator, Sequence

from bench.answerability_pairs import Article, Material, Pair, Question, Swaps, things, width
from indexes.text.scripts import script

ASK_ENGLISH = {
    "year": ("When", "In what year", "What year"),
    "month": ("When", "In which month"),
    "number": ("How many", "How much", "What number"),
    "name": ("Who", "What", "Which", "Where"),
    "quoted": ("What",),
}
ASK_CHINESE = {
    "year": ("哪一", "哪"),
    "month": ("几", "哪个"),
    "number": ("多少", "几"),
    "title": ("什么", "哪部作品"),
    "quoted": ("什么",),
    "foreign name": ("谁",),
    "place": ("哪里", "什么地方"),
}
CLAUSE = re.compile(r"[^,;:，；：。()（）—]+")
SMALL = frozenset(
    ("the", "a", "an", "of", "in", "on", "at", "to", "and", "is", "was", "were", "are", "by", "for",
     "with", "that", "this", "it", "its", "as", "from")
)  # fmt: skip


class Practice:
    """Pairs from the paragraphs of a set that may be trained on."""

    def __init__(self, material: Material) -> None:
        self.articles = [a for a in material.articles.values() if material.may_train_on(a)]
        told = [Question(a.id, a.text, a, (), "", material.name, a.lang) for a in self.articles]
        self.swaps = Swaps(told)

    def pairs(self, draw: random.Random, most: int) -> list[Pair]:
        found = [pair for article in self.articles for pair in self._of_article(article, draw)]
        draw.shuffle(found)
        return found[:most]

    def _of_article(self, article: Article, draw: random.Random) -> Iterator[Pair]:
        for place, (start, end) in enumerate(article.spans):
            made = cloze(article, article.text[start:end], draw)
            if made is None:
                continue
            asked, thing, at = made
            window = article.around(place)
            offset = len(window.text) - len(window.body) + start - window.start + at
            if window.text[offset : offset + len(thing)] != thing:
                continue
            yield Pair(asked, window.text, (offset, offset + len(thing)), "cloze", article.lang)
            yield from self._negatives(article, place, asked, thing, window.text, draw)

    def _negatives(
        self, article: Article, place: int, asked: str, thing: str, text: str, draw: random.Random
    ) -> Iterator[Pair]:
        question = Question("", asked, article, (thing,), "", "", article.lang)
        swapped = self.swaps.choose(question, text, draw)
        if swapped is not None:
            yield Pair(swapped[0], text, None, "cloze, near-miss", article.lang)
        others = [n for n in range(len(article.spans)) if abs(n - place) > 1]
        if others and draw.random() < 0.5:
            other = article.around(draw.choice(others)).text
            if thing not in other:
                yield Pair(asked, other, None, "cloze, other", article.lang)


def cloze(article: Article, sentence: str, draw: random.Random) -> tuple[str, str, int] | None:
    """A question, what answers it and where that stands in the sentence."""
    chinese = script(sentence) == "zh"
    asks = ASK_CHINESE if chinese else ASK_ENGLISH
    named = [(k, t, at) for k, t, at in things(sentence) if k in asks and sentence.count(t) == 1]
    if not named or not 20 < width(sentence) < 700:
        return None
    kind, thing, at = draw.choice(named)
    clauses = list(CLAUSE.finditer(sentence))
    here = next((n for n, m in enumerate(clauses) if m.start() <= at < m.end()), None)
    if here is None or at + len(thing) > clauses[here].end():
        return None
    ask = draw.choice(asks[kind])
    first = here - (1 if here and draw.random() < 0.5 else 0)
    asked = _chinese if chinese else _english
    made = asked(sentence, clauses[first : here + 1], (at, at + len(thing)), ask, article, draw)
    return (made, thing, at) if width(made) >= 18 else None


def _chinese(
    sentence: str,
    clauses: Sequence[re.Match[str]],
    at: tuple[int, int],
    ask: str,
    article: Article,
    draw: random.Random,
) -> str:
    before = sentence[clauses[0].start() : at[0]]
    after = sentence[at[1] : clauses[-1].end()]
    subject = article.title if article.title not in before + after and draw.random() < 0.6 else ""
    return f"{subject}{before.strip()}{ask}{after.strip()}？"


def _english(
    sentence: str,
    clauses: Sequence[re.Match[str]],
    at: tuple[int, int],
    ask: str,
    article: Article,
    draw: random.Random,
) -> str:
    words = (
        sentence[clauses[0].start() : at[0]] + " " + sentence[at[1] : clauses[-1].end()]
    ).split()
    kept = [w for w in words if draw.random() > (0.35 if w.lower() in SMALL else 0.15)]
    if draw.random() < 0.4 and len(kept) > 6:
        cut = draw.randrange(2, len(kept) - 2)
        kept = kept[cut:] + kept[:cut]
    verb = (
        draw.choice(("did", "was", "is", ""))
        if ask not in ("Who", "What")
        else draw.choice(("", "is"))
    )
    return " ".join(filter(None, (ask, verb, *kept))).rstrip(".") + "?"
