"""Questions with the windows of text that answer them, and with windows that do not: what the answer
scorer is trained and measured on.

A window is a sentence with its neighbours below the title of its document. Articles are divided by a hash of their
title, over all sets alike, so that no paragraph of a held-out article is trained on. Questions are
divided by a hash of their id (`bench.extractive.half`) besides:

    train       questions of `dev` about training articles
    choosing    questions of `dev` about held-out articles: for thresholds
    held-out    the other half of the questions, about held-out articles: only for reports

A near-miss is a question that names another year, number, name or place than the text. The thing is
replaced by one of the same kind (`KINDS`) that the same article or another question of the set names,
and that the window does not.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.extractive import DATA, Corpus, half, rows
from indexes.text.folding import letters_and_digits
from indexes.text.scripts import IDEOGRAPH, script
from indexes.text.sentences import sentences
from indexes.text.words import terms

SETS = ("squad2-dev-en", "cmrc2018-dev-zh", "xquad-en-zh")
TRAINED_ON = 0.7  # of the articles
WINDOW_WIDTH = 320  # in letters; an ideograph is as wide as three

KINDS: dict[str, re.Pattern[str]] = {
    "year": re.compile(r"(?<!\d)(?:1\d|20)\d\d(?=年|\b|s\b)(?!\d)"),
    "number": re.compile(r"(?<![\d.,])\d+(?:[.,]\d+)*(?![\d.,]*\d)"),
    "title": re.compile(r"(?<=《)[^《》]{2,20}(?=》)"),
    "quoted": re.compile(r"(?<=[“「『\"])[^“”「」『』\"]{2,30}(?=[”」』\"])"),
    "name": re.compile(
        r"(?<=[a-z,] )[A-Z][\w’'.-]+(?: (?:of |the |de )?[A-Z][\w’'.-]+)*|(?<=[a-z,] )[A-Z][A-Z]+\b"
    ),
    "foreign name": re.compile(r"[\u4e00-\u9fff]{1,6}(?:[·•][\u4e00-\u9fff]{1,6})+"),
    "place": re.compile(
        r"(?:(?<=[在于是从到由和与对为])|^)[\u4e00-\u9fff]{2,4}?(?:国|省|市|县|区|州|岛|洲|山|河|湖|镇|村|大学|学院|公司|站)"
    ),
    "month": re.compile(
        r"\b(?:January|February|March|April|June|July|August|September|October|November|December)\b"
        r"|(?<!\d)1?\d(?=月)"
    ),
}
OPPOSITES = (
    ("most", "least"), ("largest", "smallest"), ("first", "last"), ("before", "after"),
    ("highest", "lowest"), ("more", "less"), ("oldest", "newest"), ("increase", "decrease"),
    ("best", "worst"), ("longest", "shortest"), ("best", "worst"), ("north", "south"),
    ("east", "west"), ("northern", "southern"), ("eastern", "western"), ("start", "end"),
    ("begin", "end"), ("always", "never"), ("major", "minor"), ("win", "lose"), ("won", "lost"),
    ("最大", "最小"), ("最早", "最晚"), ("最高", "最低"), ("之前", "之后"), ("最多", "最少"),
    ("最长", "最短"), ("开始", "结束"), ("东部", "西部"), ("南部", "北部"), ("上升", "下降"),
    ("成立", "解散"), ("首次", "最后一次"), ("第一", "最后一"), ("出生", "去世"), ("胜", "负"),
    ("父亲", "母亲"), ("哥哥", "弟弟"), ("前往", "离开"), ("增加", "减少"), ("支持", "反对"),
)  # fmt: skip


@dataclass(frozen=True)
class Article:
    """One paragraph of a set, in sentences."""

    id: str
    title: str
    text: str
    lang: str

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        return sentences(self.text)

    @cached_property
    def forms(self) -> list[frozenset[str]]:
        return [frozenset(t.form for t in terms(self.text[a:b])) for a, b in self.spans]

    def window(self, first: int, last: int) -> "Window":
        """From one sentence to another, both included."""
        start, end = self.spans[first][0], self.spans[last][1]
        return Window(self, start, end)

    def around(self, place: int) -> "Window":
        """The sentence with its neighbours, as far as they have room; the one before it first."""
        first = last = place
        room = WINDOW_WIDTH - width(self.text[slice(*self.spans[place])])
        for neighbour in (place - 1, place + 1):
            if 0 <= neighbour < len(self.spans):
                wide = width(self.text[slice(*self.spans[neighbour])])
                if wide <= room:
                    room -= wide
                    first, last = min(first, neighbour), max(last, neighbour)
        return self.window(first, last)


@dataclass(frozen=True)
class Window:
    article: Article
    start: int
    end: int

    @property
    def body(self) -> str:
        return self.article.text[self.start : self.end]

    @property
    def text(self) -> str:
        return compose(self.article.title, self.body)


@dataclass(frozen=True)
class Question:
    id: str
    text: str
    source: Article | None
    answers: tuple[str, ...]
    kind: str
    set: str
    lang: str


@dataclass(frozen=True)
class Pair:
    """A question and a window; `answer` as offsets in the window's text, None if it does not answer."""

    question: str
    text: str
    answer: tuple[int, int] | None
    kind: str
    lang: str


def compose(title: str, body: str) -> str:
    return f"{title}\n{body}" if title else body


def width(text: str) -> float:
    wide = len(IDEOGRAPH.findall(text))
    return len(text) + 2 * wide


class Material:
    """One set: its questions, its paragraphs and a keyword search over them."""

    def __init__(self, name: str) -> None:
        folder = DATA / "retrieval" / name
        self.name = name
        self.corpus = Corpus(folder)
        self.articles = {
            key: Article(key, row["title"], row["text"], row["lang"])
            for key, row in self.corpus.documents.items()
        }
        self.questions = [
            Question(
                row["_id"], row["text"], self.articles.get(row.get("source_doc") or ""),
                tuple(row.get("answers", ())), row.get("type", ""), name, row["lang"],
            )
            for row in rows(folder / "queries.jsonl.gz")
        ]  # fmt: skip
        self._group = {key: self._group_of(article) for key, article in self.articles.items()}

    def part(self, question: Question) -> str | None:
        """`train`, `choosing`, `held-out`, or None: the other half, about training articles."""
        known = question.source is not None
        of = self._group[question.source.id] if known else hash_share("q " + question.id)
        trained, dev = of < TRAINED_ON, half(question.id) == "dev"
        if trained:
            return "train" if dev else None
        return "choosing" if dev else "held-out"

    def may_train_on(self, article: Article) -> bool:
        return self._group[article.id] < TRAINED_ON

    def _group_of(self, article: Article) -> float:
        title = article.title
        if article.id.startswith("xq-"):  # both languages of a paragraph stay together
            title = self.articles[article.id[:-2] + "en"].title
        return hash_share("article " + title.replace("_", " "))


def hash_share(text: str) -> float:
    """A number from 0 to 1 that hangs on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def find_answer(question: Question) -> tuple[int, int] | None:
    """Offsets in the source of the answer, where it stands nearest to the question's words."""
    article = question.source
    if article is None:
        return None
    asked = {t.form for t in terms(question.text, question=True)}
    best: tuple[float, int, int] | None = None
    for answer in sorted(set(question.answers), key=lambda a: (len(a), a)):
        for match in re.finditer(re.escape(answer), article.text):
            place = sentence_at(article, match.start())
            beside = frozenset[str]().union(*article.forms[max(0, place - 1) : place + 2])
            worth = len(asked & article.forms[place]) + 0.5 * len(asked & beside)
            if best is None or worth > best[0]:
                best = worth, match.start(), match.end()
    return None if best is None else best[1:]


def sentence_at(article: Article, offset: int) -> int:
    return max((n for n, (start, _) in enumerate(article.spans) if start <= offset), default=0)


def holds(text: str, answers: Iterable[str]) -> bool:
    folded = letters_and_digits(text)
    return any(
        letters_and_digits(answer) in folded for answer in answers if letters_and_digits(answer)
    )


def rank_windows(question: str, articles: Sequence[Article]) -> list[tuple[Article, int]]:
    """Sentences of these paragraphs by the share of the question's words that they and their
    neighbours hold, best first.
    """
    asked = list(dict.fromkeys(t.form for t in terms(question, question=True)))
    asked = asked or list(dict.fromkeys(t.form for t in terms(question)))
    ranked: list[tuple[float, int, int]] = []
    for number, article in enumerate(articles):
        around = frozenset[str]().union(*article.forms, (t.form for t in terms(article.title)))
        for place, own in enumerate(article.forms):
            beside = frozenset[str]().union(*article.forms[max(0, place - 1) : place + 2])
            worth = sum(
                1.0 if w in own else 0.6 if w in beside else 0.5 if w in around else 0
                for w in asked
            )
            ranked.append((-worth / max(1, len(asked)) - 0.2 / (1 + number), number, place))
    return [(articles[number], place) for _, number, place in sorted(ranked)]


class Swaps:
    """Things that questions and paragraphs name, by kind, to make near-misses with."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self.known: dict[tuple[str, str], list[str]] = {}
        for question in questions:
            for kind, thing, _ in things(question.text):
                self.known.setdefault((question.lang, kind), []).append(thing)

    def choose(
        self, question: Question, window: str, draw: random.Random
    ) -> tuple[str, str, str] | None:
        """The question about something else, the thing that was replaced and what stands for it;
        None if it names nothing that can be replaced.
        """
        found = [
            (k, t, at) for k, t, at in things(question.text) if t.casefold() in window.casefold()
        ]
        title = question.source.title if question.source else ""
        if title and len(title) > 1 and title in question.text and script(title) == "zh":
            found.append(("article", title, question.text.index(title)))
        draw.shuffle(found)
        for kind, thing, at in found:
            other = self._other(kind, thing, question, window, draw)
            if other:
                return question.text[:at] + other + question.text[at + len(thing) :], thing, other
        return None

    def opposite(self, question: Question, draw: random.Random) -> str | None:
        turned = []
        for one, two in OPPOSITES:
            for old, new in ((one, two), (two, one)):
                pattern = re.escape(old) if IDEOGRAPH.match(old) else rf"\b{old}\b"
                if len(re.findall(pattern, question.text)) == 1 and new not in question.text:
                    turned.append(re.sub(pattern, new, question.text))
        return draw.choice(turned) if turned else None

    def _other(
        self, kind: str, thing: str, question: Question, window: str, draw: random.Random
    ) -> str | None:
        if kind == "year":
            near = [str(int(thing) + step) for step in (-30, -11, -10, -5, -2, -1, 1, 2, 3, 10, 20)]
            choices = near + self.known.get((question.lang, kind), [])
        elif kind == "number" and thing.isdigit() and len(thing) < 6:
            choices = [str(max(1, int(thing) + step)) for step in (-5, -2, -1, 1, 2, 3, 7, 10)]
        else:
            here = []
            if question.source is not None:
                here = [t for k, t, _ in things(question.source.text) if k == kind]
            choices = here * 3 + self.known.get(
                (question.lang, "name" if kind == "article" else kind), []
            )
            if kind == "article":
                choices = self.known.get((question.lang, "title"), []) + self.known.get(
                    (question.lang, "foreign name"), []
                )
        low = window.casefold()
        fitting = [c for c in choices if c.casefold() not in low and c not in question.text]
        return draw.choice(fitting) if fitting else None


def things(text: str) -> Iterator[tuple[str, str, int]]:
    """What the text names: kind, words, offset. Each place once."""
    taken: set[int] = set()
    for kind, pattern in KINDS.items():
        for match in pattern.finditer(text):
            span = set(range(match.start(), match.end()))
            if not span & taken:
                taken |= span
                yield kind, match.group(), match.start()


class Drawing:
    """Training pairs of one set, drawn anew for every epoch."""

    def __init__(self, material: Material, forbidden: frozenset[str]) -> None:
        self.material = material
        self.questions = [
            q for q in material.questions
            if material.part(q) == "train" and q.source is not None and q.text.casefold() not in forbidden
        ]  # fmt: skip
        self.swaps = Swaps(self.questions)
        self.found = {q.id: find_answer(q) for q in self.questions}
        self.beside = {
            q.id: [
                material.articles[name]
                for name in material.corpus.best(q.text, 8)
                if material.may_train_on(material.articles[name])
                and (q.source is None or name != q.source.id)
            ]
            for q in self.questions
        }

    def pairs(self, draw: random.Random) -> Iterator[Pair]:
        for question in self.questions:
            if question.answers:
                if self.found[question.id] is not None:
                    yield from self._of_answerable(question, draw)
            else:
                yield from self._of_unanswerable(question, draw)

    def _of_answerable(self, question: Question, draw: random.Random) -> Iterator[Pair]:
        article, (start, end) = question.source, self.found[question.id]
        place = sentence_at(article, start)
        last = sentence_at(article, end - 1)
        window = self._vary(article, place, last, draw)
        offset = len(compose(article.title, "")) - window.start if article.title else -window.start
        yield Pair(
            question.text, window.text, (start + offset, end + offset), "answers", question.lang
        )
        yield from self._near_misses(question, window, (start + offset, end + offset), draw)
        if draw.random() < 0.5:
            yield from self._without_sentence(question, article, place, last)
        others = [
            (a, n) for a, n in rank_windows(question.text, [article])
            if not holds(a.around(n).text, question.answers)
        ][:2]  # fmt: skip
        if others and draw.random() < 0.8:
            a, n = draw.choice(others)
            yield Pair(question.text, a.around(n).text, None, "same paragraph", question.lang)
        beside = [
            (a, n) for a, n in rank_windows(question.text, self.beside[question.id][:5])[:6]
            if not holds(a.around(n).text, question.answers)
        ]  # fmt: skip
        if beside and draw.random() < 0.7:
            a, n = draw.choice(beside)
            yield Pair(question.text, a.around(n).text, None, "other paragraph", question.lang)

    def _near_misses(
        self, question: Question, window: Window, answer: tuple[int, int], draw: random.Random
    ) -> Iterator[Pair]:
        """With a thing replaced in the question, in the text, or in both: then it is answered, so that
        what was replaced cannot be told from how it sounds.
        """
        lang, text = question.lang, window.text
        swapped = self.swaps.choose(question, text, draw)
        if swapped is not None:
            asked, old, new = swapped
            changed = text.replace(old, new)
            held = text[slice(*answer)]
            moved = answer[0] + text[: answer[0]].count(old) * (len(new) - len(old))
            kept = changed[moved : moved + len(held)] == held and old in text
            way = draw.random()
            if way < 0.45 or not kept:
                yield Pair(asked, text, None, "near-miss", lang)
            elif way < 0.75:
                yield Pair(question.text, changed, None, "near-miss", lang)
            if kept and draw.random() < 0.5:
                yield Pair(asked, changed, (moved, moved + len(held)), "answers", lang)
        turned = self.swaps.opposite(question, draw) if draw.random() < 0.5 else None
        if turned:
            yield Pair(turned, text, None, "opposite", lang)

    def _of_unanswerable(self, question: Question, draw: random.Random) -> Iterator[Pair]:
        ranked = rank_windows(question.text, [question.source])[:3]
        picked = ranked[:1] if len(ranked) < 2 or draw.random() < 0.6 else [draw.choice(ranked[1:])]
        for article, place in picked:
            yield Pair(
                question.text, article.around(place).text, None, "looks answerable", question.lang
            )

    def _without_sentence(
        self, question: Question, article: Article, place: int, last: int
    ) -> Iterator[Pair]:
        """What stands around the answer, without the answer."""
        near = [n for n in (place - 1, last + 1) if 0 <= n < len(article.spans)]
        body = " ".join(article.text[slice(*article.spans[n])] for n in near)
        if body and width(body) <= WINDOW_WIDTH and not holds(body, question.answers):
            yield Pair(question.text, compose(article.title, body), None, "cut out", question.lang)

    def _vary(self, article: Article, place: int, last: int, draw: random.Random) -> Window:
        """The answering sentence, more or less of what stands around it."""
        if last > place or draw.random() < 0.5:
            return article.window(place, last) if last > place else article.around(place)
        beside = draw.choice([place - 1, place + 1, place, place])
        if not 0 <= beside < len(article.spans):
            return article.around(place)
        found = article.around(beside) if beside != place else article.window(place, place)
        covers = found.start <= article.spans[place][0] and found.end >= article.spans[place][1]
        return found if covers else article.around(place)


def forbidden_texts(materials: Sequence[Material]) -> frozenset[str]:
    """Questions of the half that is only reported, in any set: XQuAD and SQuAD share some."""
    return frozenset(
        q.text.casefold() for m in materials for q in m.questions if half(q.id) == "held-out"
    )
