"""Whether a claim in one language is supported by a passage in the other: what words say, and what
embeddings say.

    python -m bench.support [--home var] [--cache FILE] [--json FILE]

From `xquad-en-zh` under CLEARANCE_DATA: the same paragraphs in English and Chinese. A claim is a
sentence of a paragraph (`sentence`), or a question with its answer behind it (`answer`). It cites
the paragraph's other language (`right`), or one of the seven paragraphs there that are nearest to
the right one: any (`near`), or the one with the sentence most like it (`nearest`). `changed` are
English sentences, citing the right Chinese paragraph, of which a number, a name or the meaning has
been changed.

Half of the articles choose the least cosine at which, of as many right citations as nearest ones,
at least PRECISION of those that pass are right; the other half reports. For comparison, with that
cosine: claims and passages in one language.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes import embedder as embedding
from indexes.embedder import Embedder
from indexes.settings import Settings
from indexes.text.sentences import sentences
from indexes.text.words import terms
from service.answering.citations import SUPPORT

DATA = Path(os.environ.get("CLEARANCE_DATA", "../shared/data")) / "retrieval" / "xquad-en-zh"
PRECISION = 0.95
SHOWN = 8
SHORTEST = 15  # characters of a claim
GRID = [round(0.7 + 0.005 * step, 3) for step in range(60)]
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_AUXILIARY = re.compile(r"\b(?:was|were|is|are|had|has|can|could|would|will|did)\b")

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Case:
    """One claim citing one passage."""

    kind: str
    half: str
    words: bool  # whether words support it
    numbers: bool  # whether the passage has all of its numbers
    cosine: float  # to the most similar sentence of the passage


class Corpus:
    """The paragraphs, their sentences, and the vectors of all."""

    def __init__(
        self, rows: Sequence[dict[str, Any]], vectors: Callable[[list[str]], Vectors]
    ) -> None:
        self.rows = rows
        self.at = {row["_id"]: place for place, row in enumerate(rows)}
        self.sentences = [[row["text"][a:b] for a, b in sentences(row["text"])] for row in rows]
        self.whole = vectors([row["text"] for row in rows])
        self.parts = [vectors(own) for own in self.sentences]
        self.held = [forms(row["text"]) for row in rows]
        articles = sorted({row["title"] for row in rows if row["lang"] == "en"})
        chosen = {title for title in articles if hashlib.sha256(title.encode()).digest()[0] % 2}
        titles = {row["_id"][:-3]: row["title"] for row in rows if row["lang"] == "en"}
        self.half = [
            "choosing" if titles[row["_id"][:-3]] in chosen else "reporting" for row in rows
        ]

    def other(self, place: int, language: str) -> int:
        return self.at[f"{self.rows[place]['_id'][:-3]}-{language}"]

    def near(self, place: int) -> list[int]:
        """The paragraphs in the same language that are most like this one."""
        same = [
            n
            for n, row in enumerate(self.rows)
            if row["lang"] == self.rows[place]["lang"] and n != place
        ]
        return [
            same[n]
            for n in np.argsort(-(self.whole[same] @ self.whole[place]), kind="stable")[: SHOWN - 1]
        ]

    def case(self, kind: str, claim: str, vector: Vectors, cited: int) -> Case:
        claimed, held = forms(claim, claim=True), self.held[cited]
        numbers = {form for form in claimed if form[0].isdigit()} <= held
        words = bool(claimed) and len(claimed & held) >= SUPPORT * len(claimed)
        return Case(
            kind,
            self.half[cited],
            words and numbers,
            numbers,
            float((self.parts[cited] @ vector).max()),
        )


def forms(text: str, *, claim: bool = False) -> frozenset[str]:
    return frozenset(term.form for term in terms(text, question=claim))


def cases(
    corpus: Corpus, claims: Sequence[tuple[str, Vectors, int]], language: str
) -> Iterator[Case]:
    """Each claim with three citations of passages in this language. claims: text, vector,
    paragraph.
    """
    chance = random.Random(5)
    for claim, vector, place in claims:
        right = corpus.other(place, language)
        near = [corpus.case("nearest", claim, vector, cited) for cited in corpus.near(right)]
        yield corpus.case("right", claim, vector, right)
        yield max(near, key=lambda case: case.cosine)
        one = chance.choice(near)
        yield Case("near", one.half, one.words, one.numbers, one.cosine)


def share_supported(found: Sequence[Case], kind: str, half: str, least: float) -> float:
    """The share of citations that words do not support and embeddings do."""
    those = [case for case in found if case.kind == kind and half in (case.half, "both")]
    return sum(case.numbers and not case.words and case.cosine >= least for case in those) / max(
        len(those), 1
    )


def choose_threshold(found: Sequence[Case]) -> float:
    """The least cosine that is right often enough on the half for choosing."""
    for least in GRID:
        right, wrong = (
            share_supported(found, kind, "choosing", least) for kind in ("right", "nearest")
        )
        if right and right / (right + wrong) >= PRECISION:
            return least
    raise SystemExit(f"No cosine reaches a precision of {PRECISION}.")


def make_figures(found: Sequence[Case], least: float, half: str) -> dict[str, float]:
    right, near, nearest = (
        share_supported(found, kind, half, least) for kind in ("right", "near", "nearest")
    )
    those = [case for case in found if case.kind == "right" and half in (case.half, "both")]
    return {
        "claims": len(those),
        "words_alone": round(sum(case.words for case in those) / len(those), 3),
        "passes_right": round(right, 3),
        "passes_near": round(near, 3),
        "passes_nearest": round(nearest, 3),
        "precision_near": round(right / max(right + near, 1e-9), 3),
        "precision_nearest": round(right / max(right + nearest, 1e-9), 3),
    }


def change_claim(claim: str, names: Sequence[str], chance: random.Random) -> dict[str, str]:
    """The claim made wrong, by what was changed."""
    made = {}
    if numbers := re.findall(r"\d+", claim):
        one = chance.choice(numbers)
        made["a number"] = claim.replace(one, str(int(one) + chance.randint(1, 9)), 1)
    if name := _NAME.search(claim):
        made["a name"] = claim.replace(name.group(), chance.choice(names))
    if verb := _AUXILIARY.search(claim):
        made["negated"] = f"{claim[: verb.end()]} not{claim[verb.end() :]}"
    return made


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--home", type=Path, default=Path("var"), help="where the embedding model is kept"
    )
    options.add_argument("--cache", type=Path, help="keeps vectors from one run to the next (.npz)")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    remembered = Remembered(embedding.load(Settings(home=given.home)), given.cache)
    figures = measure_model(remembered)
    remembered.save()
    print(json.dumps(figures, indent=2))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure_model(vectors: "Remembered") -> dict[str, Any]:
    corpus = Corpus(list(rows("corpus")), vectors)
    by_sentence: dict[str, list[tuple[str, Vectors, int]]] = {"en": [], "zh": []}
    for place, row in enumerate(corpus.rows):
        pairs = zip(corpus.sentences[place], corpus.parts[place], strict=True)
        by_sentence[row["lang"]] += [
            (text, vector, place) for text, vector in pairs if len(text) >= SHORTEST
        ]
    by_answer: dict[str, list[tuple[str, Vectors, int]]] = {"en": [], "zh": []}
    asked = [
        (f"{row['text']} {row['answers'][0]}", row["lang"], corpus.at[row["source_doc"]])
        for row in rows("queries")
    ]
    for (text, language, place), vector in zip(
        asked, vectors([text for text, _, _ in asked]), strict=True
    ):
        by_answer[language].append((text, vector, place))

    across = {
        (one, two): list(cases(corpus, by_sentence[one], two))
        for one, two in (("en", "zh"), ("zh", "en"))
    }
    least = choose_threshold([case for found in across.values() for case in found])
    figures: dict[str, Any] = {"cosine": least}
    for (one, two), found in across.items():
        figures[f"sentence {one} -> {two}"] = make_figures(found, least, "reporting")
        figures[f"answer {one} -> {two}"] = make_figures(
            list(cases(corpus, by_answer[one], two)), least, "both"
        )
    for one in ("en", "zh"):
        figures[f"sentence {one} -> {one}"] = make_figures(
            list(cases(corpus, by_sentence[one], one)), least, "both"
        )
    return figures | {"changed": measure_wrong_claims(corpus, by_sentence["en"], vectors, least)}


def measure_wrong_claims(
    corpus: Corpus, claims: Sequence[tuple[str, Vectors, int]], vectors: "Remembered", least: float
) -> dict[str, dict[str, float]]:
    """Of claims made wrong: how many pass in Chinese by meaning, in English by words, and did
    before the change.
    """
    chance = random.Random(7)
    names = sorted({name for text, _, _ in claims for name in _NAME.findall(text)})
    made = [(how, text, place, vector) for claim, vector, place in claims
            for how, text in change_claim(claim, names, chance).items()]  # fmt: skip
    after = vectors([text for _, text, _, _ in made])
    figures: dict[str, list[tuple[bool, bool, bool]]] = {}
    for (how, text, place, before), vector in zip(made, after, strict=True):
        right = corpus.other(place, "zh")
        old, new = corpus.case("", "", before, right), corpus.case("", text, vector, right)
        by_words = corpus.case("", text, vector, place).words
        figures.setdefault(how, []).append(
            (old.cosine >= least, new.numbers and new.cosine >= least, by_words)
        )
    return {
        how: {
            "claims": len(those),
            **{name: round(sum(one[place] for one in those) / len(those), 3)
               for place, name in enumerate(("before", "by_meaning", "by_words_in_english"))},
        }
        for how, those in figures.items()
    }  # fmt: skip


def rows(part: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / f"{part}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


class Remembered:
    """Vectors of texts, each made once."""

    def __init__(self, embedder: Embedder, cache: Path | None) -> None:
        self.embedder = embedder
        self.cache = cache
        self.known: dict[str, Vectors] = {}
        if cache is not None and cache.is_file():
            with np.load(cache) as kept:
                self.known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))

    def __call__(self, texts: list[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.embedder.passages(new), strict=True))
        return np.stack([self.known[text] for text in texts])

    def save(self) -> None:
        if self.cache is not None:
            np.savez(
                self.cache,
                texts=np.array(list(self.known)),
                vectors=np.stack(list(self.known.values())),
            )


if __name__ == "__main__":
    main()
