"""How well a score says whether a text answers a question, on articles that the scorer never saw.

    python -m bench.answerability --model FOLDER --trained FILE [--home FOLDER]

Each question is asked of the paragraphs that keyword search ranks best (with the right one among them,
if it is answerable); the windows that hold most of the question's words are scored, and the best
score counts. Not answerable:

    looks answerable   SQuAD 2.0's own
    near-miss          an answerable question with one thing replaced (bench.answerability_pairs)
    beside             an answerable question, the right paragraph taken away
    off-corpus         CMRC's trial questions, whose articles are not there
"""

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from bench.answerability_model import load_trained
from bench.answerability_pairs import (
    SETS,
    Material,
    Pair,
    Question,
    Swaps,
    find_answer,
    holds,
    rank_windows,
    sentence_at,
)  # fmt: skip
from bench.answerability_training import Encoding, tensors
from indexes.embedder import load
from indexes.settings import Settings
from indexes.text.sentences import sentences
from indexes.text.words import terms

PASSAGES = 8
MOST_FALSE_REFUSALS = 0.05
LONGEST_ANSWER = 40  # tokens


@dataclass
class Asked:
    """One question with its windows, best by words first, and what was computed of each."""

    set: str
    lang: str
    group: str
    question: str
    windows: list[str]
    places: list[tuple[int, int]]  # of the sentence in the window's text
    share: list[float] = field(default_factory=list)  # of the question's words in the window
    cosine: list[float] = field(default_factory=list)  # of question and window
    verdict: list[float] = field(default_factory=list)
    span: list[float] = field(default_factory=list)
    found: list[tuple[int, int]] = field(default_factory=list)  # in the window's text
    answers: list[str] = field(default_factory=list)


def cases(material: Material, part: str, windows: int, most: int) -> Iterator[Asked]:
    asked = [q for q in material.questions if material.part(q) == part]
    swaps = Swaps(asked)
    draw = random.Random(7)
    for group in ("answerable", "looks answerable", "off-corpus", "near-miss", "beside"):
        taken = 0
        for question in sorted(asked, key=lambda q: q.id):
            if taken < most and (case := case_of(material, question, group, swaps, draw, windows)):
                taken += 1
                yield case


def case_of(
    material: Material,
    question: Question,
    group: str,
    swaps: Swaps,
    draw: random.Random,
    windows: int,
) -> Asked | None:
    text, source = question.text, question.source
    answerable = bool(question.answers)
    if answerable != (group in ("answerable", "near-miss", "beside")):
        return None
    if not answerable and (group == "off-corpus") != (source is None):
        return None
    if group == "near-miss":
        place = find_answer(question)
        if place is None:
            return None
        window = source.around(sentence_at(source, place[0])).text
        swapped = swaps.choose(question, window, draw)
        if swapped is None:
            return None
        text = swapped[0]
    names = material.corpus.best(text, PASSAGES)
    if group == "beside":
        names = [n for n in names if n != source.id]
        names = [n for n in names if not holds(material.articles[n].text, question.answers)]
    elif source is not None and source.id not in names:
        names = [*names[: PASSAGES - 1], source.id]
    ranked = rank_windows(text, [material.articles[name] for name in names])
    wanted = {term.form for term in terms(text, question=True)} or {
        term.form for term in terms(text)
    }
    case = Asked(material.name, question.lang, group, text, [], [], answers=list(question.answers))
    taken: set[str] = set()
    for article, place in ranked:
        window = article.around(place)
        if window.text in taken or len(taken) == windows:
            continue
        taken.add(window.text)
        sentence = article.text[slice(*article.spans[place])]
        start = len(window.text) - len(window.body) + article.spans[place][0] - window.start
        case.windows.append(window.text)
        told = {term.form for term in terms(window.text)}
        case.share.append(len(wanted & told) / max(1, len(wanted)))
        case.places.append((start, start + len(sentence)))
    return case if case.windows else None


class TorchScorer:
    """A trained file, run as it was trained."""

    def __init__(self, folder: Path, trained: Path) -> None:
        self.model = load_trained(folder, trained)
        self.encoding = Encoding(folder)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float, int, int]]:
        """Verdict and span over no span, as logits, and where the span stands."""
        items = self.encoding.items([Pair(q, t, None, "", "") for q, t in pairs])
        order = sorted(range(len(items)), key=lambda n: len(items[n][0]))
        found: list[tuple[float, float, int, int]] = [(0, 0, 0, 0)] * len(items)
        for start in range(0, len(order), 32):
            batch = order[start : start + 32]
            ids, mask, types = tensors([items[n] for n in batch])
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
                verdict, span = self.model(ids, mask, types)
            for n, v, s, t, m in zip(
                batch, verdict.float(), span.float().numpy(), types, mask, strict=True
            ):
                told = self.encoding.tokenizer.encode(pairs[n][1], add_special_tokens=False)
                best, first, last = best_span(s, ((t == 1) & (m == 1)).numpy())
                head = int((t == 0)[: int(m.sum())].sum())
                offsets = told.offsets
                at = (offsets[first - head][0], offsets[min(last - head, len(offsets) - 1)][1])
                found[n] = (float(v), best, *at)
        return found


def best_span(logits: NDArray[np.float32], allowed: NDArray[np.bool_]) -> tuple[float, int, int]:
    """How much the best span is ahead of none, and its tokens."""
    places = np.flatnonzero(allowed)[:-1]  # the last one ends the text
    first, last = logits[places, 0], logits[places, 1]
    both = first[:, None] + last[None, :]
    gap = np.arange(len(places))[None, :] - np.arange(len(places))[:, None]
    both[(gap < 0) | (gap > LONGEST_ANSWER)] = -np.inf
    a, b = np.unravel_index(int(np.argmax(both)), both.shape)
    return float(both[a, b] - logits[0].sum()), int(places[a]), int(places[b])


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    values = np.concatenate([positive, negative])
    ranks = np.empty(len(values))
    order = np.argsort(values, kind="stable")
    ranks[order] = np.arange(1, len(values) + 1)
    for value in np.unique(values):
        same = values == value
        ranks[same] = ranks[same].mean()
    n = len(positive)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * (len(values) - n)))


def refusing(
    answerable: NDArray[np.float64], other: NDArray[np.float64], threshold: float
) -> dict[str, float]:
    right, wrong = int((other < threshold).sum()), int((answerable < threshold).sum())
    precision, recall = right / max(1, right + wrong), right / max(1, len(other))
    always = len(other) / (len(other) + len(answerable))
    return {
        "precision": precision, "recall": recall, "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "always f1": 2 * always / (always + 1), "false refusals": wrong / max(1, len(answerable)),
    }  # fmt: skip


def collect(
    materials: Sequence[Material], part: str, windows: int, most: int, scorer: TorchScorer
) -> list[Asked]:
    found = [case for m in materials for case in cases(m, part, windows, most)]
    pairs = [(case.question, window) for case in found for window in case.windows]
    begun = time.time()
    judged = iter(scorer.judge(pairs))
    for case in found:
        for _ in case.windows:
            verdict, span, start, end = next(judged)
            case.verdict.append(verdict)
            case.span.append(span)
            case.found.append((start, end))
    print(
        part,
        len(found),
        "questions",
        len(pairs),
        "pairs",
        f"{time.time() - begun:.0f} s",
        flush=True,
    )
    return found


def add_cosines(found: Sequence[Asked], home: Path) -> None:
    """By the packaged embedding model."""
    embedder = load(Settings(home=home, embedding_threads=1))
    for case in found:
        question = embedder.query(case.question)
        case.cosine = [float(c) for c in embedder.passages(case.windows) @ question]


Measure = Callable[[Asked], float]


def fit_mix(found: Sequence[Asked]) -> LogisticRegression:
    """How much verdict and span count, from the best window of every question."""
    rows = [
        max(zip(c.verdict, c.span, strict=True), key=lambda row: row[0] + row[1]) for c in found
    ]
    return LogisticRegression(class_weight="balanced").fit(np.array(rows), labels(found))


def fit_words(found: Sequence[Asked]) -> LogisticRegression:
    """The simple measures together: the best that can be had without the scorer from these windows."""
    rows = [[max(c.share), max(c.cosine)] for c in found]
    return LogisticRegression(class_weight="balanced").fit(np.array(rows), labels(found))


def labels(found: Sequence[Asked]) -> NDArray[np.bool_]:
    return np.array([case.group == "answerable" for case in found])


def measures(chosen: Sequence[Asked]) -> dict[str, Measure]:
    mix = fit_mix(chosen)

    def mixed(case: Asked) -> float:
        rows = np.array(list(zip(case.verdict, case.span, strict=True)))
        return float(mix.decision_function(rows).max())

    found: dict[str, Measure] = {"share": lambda c: max(c.share)}
    if chosen[0].cosine:
        simple = fit_words(chosen)
        found["cosine"] = lambda c: max(c.cosine)
        found["share and cosine"] = lambda c: float(
            simple.decision_function([[max(c.share), max(c.cosine)]])[0]
        )
    found |= {"verdict": lambda c: max(c.verdict), "span": lambda c: max(c.span), "scorer": mixed}
    print(
        "verdict, span, constant:", [round(float(v), 3) for v in (*mix.coef_[0], mix.intercept_[0])]
    )
    return found


def report(chosen: Sequence[Asked], held: Sequence[Asked]) -> None:
    """Thresholds from the one, figures of the other; each language by itself."""
    for title, measure in measures(chosen).items():
        print(f"\n{title}")
        for lang in ("en", "zh"):
            tuned = split(chosen, lang, measure)
            other = np.concatenate([v for (_, g), v in tuned.items() if g != "answerable"])
            answerable = np.concatenate([v for (_, g), v in tuned.items() if g == "answerable"])
            few = float(np.quantile(answerable, MOST_FALSE_REFUSALS))
            most = max(
                np.concatenate([answerable, other]),
                key=lambda t: refusing(answerable, other, t)["f1"],
            )
            told = split(held, lang, measure)
            for (name, group), values in sorted(told.items()):
                if group == "answerable":
                    continue
                yes = told[name, "answerable"]
                spared, best = refusing(yes, values, few), refusing(yes, values, float(most))
                print(
                    f"{name:16} {lang} {group:17} {len(yes):4} {len(values):4}  AUC {auc(yes, values):.3f}"
                    f"  few: refused {spared['recall']:.2f} false {spared['false refusals']:.2f}"
                    f"  F1: P {best['precision']:.2f} R {best['recall']:.2f} F1 {best['f1']:.2f}"
                    f" always {best['always f1']:.2f} false {best['false refusals']:.2f}"
                )


def split(
    found: Sequence[Asked], lang: str, measure: Measure
) -> dict[tuple[str, str], NDArray[np.float64]]:
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for case in found:
        if case.lang == lang:
            groups[case.set, case.group].append(measure(case))
    return {key: np.array(values) for key, values in groups.items()}


def which_sentence(chosen: Sequence[Asked], found: Sequence[Asked]) -> None:
    """Whether an answer stands in what is shown: the sentence with most of the words, that of the best
    window, the window itself, the span.
    """
    mix = fit_mix(chosen)
    tally: dict[str, list[list[bool]]] = defaultdict(list)
    for case in (case for case in found if case.group == "answerable"):
        rows = np.array(list(zip(case.verdict, case.span, strict=True)))
        n = int(mix.decision_function(rows).argmax())
        start, end = case.found[n]
        window = case.windows[n]
        sentence = next(
            (window[a:b] for a, b in sentences(window) if a <= start < b), window[start:end]
        )
        first = case.windows[0][slice(*case.places[0])]
        shown = (first, sentence, window, window[start:end])
        tally[f"{case.set} {case.lang}"].append([holds(text, case.answers) for text in shown])
    for name, values in sorted(tally.items()):
        words, sentence, window, span = np.mean(np.array(values), axis=0)
        print(
            f"{name}: by words {words:.3f}, scorer {sentence:.3f}, its window {window:.3f}, its span {span:.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--most", type=int, default=130, help="questions of each kind and set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--home", type=Path, help="whose embedding model gives cosines beside")
    parser.add_argument("--out", type=Path, help="keep the scores")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    scorer = TorchScorer(given.model, given.trained)
    materials = [Material(name) for name in SETS]
    parts = {}
    for part in ("choosing", "held-out"):
        parts[part] = collect(materials, part, given.windows, given.most, scorer)
        if given.home:
            add_cosines(parts[part], given.home)
    if given.out:
        kept = {part: [asdict(case) for case in found] for part, found in parts.items()}
        given.out.write_text(json.dumps(kept, ensure_ascii=False))
    report(parts["choosing"], parts["held-out"])
    which_sentence(parts["choosing"], parts["held-out"])


if __name__ == "__main__":
    main()
