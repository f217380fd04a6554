"""How well does the check of answers know what answers, and what is beside the point?

    python -m bench.answers fit                     (on the dev halves; writes the weights)
    python -m bench.answers measure --half held-out [--scorer] [--json bench/results/answers.json]
    python -m bench.answers denied --half held-out  (a passage that says that nothing is answered)
    python -m bench.answers cost [--scorer]

`bench.answer_sets` says which questions there are and how near-misses are made. The paragraphs are
those that keyword search ranks best, the one that a question was written from among them; no model
answers. `fit` chooses the weights of both sums and the least strength of each language. `measure`
reports what is refused of each kind of question; precision, recall and F1 of refusing beside those
of refusing always; how many answers are contained in what is quoted; and how many quoted sentences
hold no answer, which is what is called beside the point. Intervals are drawn from the questions.

The weights of what the packaged scorer says are chosen on, and with --scorer everything is reported
of, questions about articles that it was not trained on. Add --unseen to report the same questions
without it.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.answer_sets import AskedOf, QuestionSet
from bench.answerability_pairs import Material
from indexes import settings as configuration
from indexes.embedder.answer_scorer import PACKAGED, AnswerScorer, load_answer_scorer
from indexes.text.folding import letters_and_digits
from indexes.text.scripts import Script
from service.answering.answer_check import weights as kept
from service.answering.answer_check.features import NAMES
from service.answering.answer_check.question import AskedQuestion, read_question
from service.answering.answer_check.verdict import (
    SUMMARY,
    AnswerCheck,
    ScoredCandidate,
    rank_candidates,
    score_best,
    summarize,
    weigh,
)
from service.answering.extractive import choose_quotes, compose_answer
from service.answering.prompt import Passage, PassageSpan
from service.evaluation.thresholds import Share

SETS = ("squad2-dev-en", "cmrc2018-dev-zh", "xquad-en-zh")
QUESTIONS = 400  # of each kind and set
DRAWN_FOR_UNSEEN = 5  # as many, of which a third is about articles that the scorer does not know
MAX_REFUSED = 0.05  # of the answerable questions of the dev halves, to choose the least strength
PENALTY = 1.0  # on the square of weights
SHORTEST = 6  # letters of a sentence that is a part of an answer
RESAMPLES = 2_000
ANSWERABLE = frozenset({"answerable", "twin"})
WEIGHTS_FILE = Path(kept.__file__)

Floats = NDArray[np.float64]


def read_questions(
    which: str, count: int = QUESTIONS, *, unseen: bool = False
) -> Iterator[AskedOf]:
    """At most so many of each kind and set. unseen: about articles that the scorer was not trained on."""
    for name in SETS:
        those, others = QuestionSet(name, which), _trained_on(name) if unseen else frozenset()
        drawn = count * DRAWN_FOR_UNSEEN if unseen else count
        for asked, most in (
            (those.answerable(drawn), count),
            (those.unanswerable(drawn), count),
            (those.near_misses(drawn), count),
            (those.twins(drawn), count),
            (those.far(drawn // 2), count // 2),
        ):
            yield from islice((each for each in asked if each.id not in others), most)


def _trained_on(name: str) -> frozenset[str]:
    """Ids of questions about articles that the scorer was trained on."""
    material = Material(name)
    unseen = ("choosing", "held-out")
    return frozenset(each.id for each in material.questions if material.part(each) not in unseen)


def packaged_scorer() -> AnswerScorer:
    """Raises SystemExit if it cannot be used."""
    scorer = load_answer_scorer(configuration.load().model_copy(update={"answer_scorer": PACKAGED}))
    if scorer is None:
        raise SystemExit("The packaged answer scorer cannot be used.")
    return scorer


def holds_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether a sentence holds an answer, or is a part of a longer one."""
    told = letters_and_digits(text)
    return any(
        folded and (folded in told or (len(told) >= SHORTEST and told in folded))
        for folded in map(letters_and_digits, answers)
    )


# --- choosing the weights -----------------------------------------------------------------------


RISES = frozenset(
    {
        "words in the sentence", "words beside it", "words in the passage", "all words in the passage",
        "words beyond the title in the sentence", "words beyond the title in the passage", "names in the sentence",
        "side by side", "rank", "order", "words that are held", "scorer",
    }
)  # fmt: skip
FALLS = frozenset(
    {
        "words missing", "names missing", "a name missing", "a number missing", "another year", "only other years",
        "two characters missing", "more characters missing", "characters missing", "the beginning missing",
        "names missing everywhere",
    }
)  # fmt: skip
"""What may only speak for an answer, and what only against one: so that words that nobody holds make
no question surer."""


def bounds(names: Sequence[str]) -> list[tuple[float | None, float | None]]:
    return [(0.0 if name in RISES else None, 0.0 if name in FALLS else None) for name in names]


class Read:
    """A question with its candidates, in no order yet."""

    def __init__(self, question: AskedOf) -> None:
        self.question = question
        self.asked: AskedQuestion = read_question(question.text)
        nothing = [0.0] * len(NAMES)
        self.found: list[ScoredCandidate] = rank_candidates(self.asked, question.shown, nothing)
        self.features = np.array([each.candidate.features for each in self.found])
        self.right = np.array(
            [
                each.candidate.passage.document_id == question.source
                and holds_answer(each.candidate.sentence.text, question.answers)
                for each in self.found
            ],
            dtype=bool,
        )

    def summary(self, order: Sequence[float]) -> tuple[float, ...]:
        scored = [
            ScoredCandidate(each.candidate, weigh(order, each.candidate.features))
            for each in self.found
        ]
        return summarize(self.asked, sorted(scored, key=lambda each: -each.score))

    def score(self, order: Sequence[float], scorer: AnswerScorer) -> float:
        """What the scorer says of the best sentence."""
        best = max(self.found, key=lambda each: weigh(order, each.candidate.features))
        return score_best(scorer, self.question.text, [best])


def fit_order(read: Iterable[Read]) -> list[float]:
    """Weights with which sentences that hold the answer come first: a conditional logit."""
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    those = [
        each
        for each in read
        if each.question.kind in ANSWERABLE and each.right.any() and not each.right.all()
    ]

    def loss(weights: Floats) -> tuple[float, Floats]:
        total, slope = 0.0, np.zeros(len(NAMES))
        for each in those:
            scores = each.features @ weights
            share = np.exp(scores - scores.max())
            right = share * each.right
            total -= float(np.log(right.sum() / share.sum()))
            slope -= each.features.T @ (right / right.sum() - share / share.sum())
        return total + PENALTY * float(weights @ weights) / 2, slope + PENALTY * weights

    start = np.zeros(len(NAMES))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds(NAMES), options={"maxiter": 200}
    )
    return [round(float(each), 3) for each in found.x]


def fit_answers(
    names: Sequence[str], summaries: Floats, answered: Floats, counts: Floats
) -> list[float]:
    """Weights that tell answered questions from others: a logistic regression."""
    from scipy.optimize import minimize

    def loss(weights: Floats) -> tuple[float, Floats]:
        sure = 1 / (1 + np.exp(-(summaries @ weights)))
        likely = answered * np.log(sure + 1e-12) + (1 - answered) * np.log(1 - sure + 1e-12)
        penalised = weights * (np.arange(len(weights)) > 0)
        slope = summaries.T @ (counts * (sure - answered)) + PENALTY * penalised
        return float(-(counts * likely).sum() + PENALTY * penalised @ penalised / 2), slope

    start = np.zeros(len(names))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds(names))
    return [round(float(each), 3) for each in found.x]


def fit_strength(
    names: Sequence[str], read: Sequence[Read], summaries: Floats
) -> tuple[list[float], float]:
    """The sum that says how surely questions are answered, and how much is enough."""
    answered = np.array([each.question.kind in ANSWERABLE for each in read], dtype=float)
    kinds = [(each.question.set, each.question.kind) for each in read]
    counts = np.array([1 / Counter(kinds)[kind] for kind in kinds]) * 300
    counts[answered == 1] *= counts[answered == 0].sum() / counts[answered == 1].sum()
    answers = fit_answers(names, summaries, answered, counts)
    sure = 1 / (1 + np.exp(-(summaries @ np.array(answers))))
    answerable = sure[[kind == "answerable" for _, kind in kinds]]
    return answers, round(float(np.quantile(answerable, MAX_REFUSED)), 3)


def fit_language(read: Sequence[Read], unseen: Sequence[Read], scorer: AnswerScorer) -> list[str]:
    """The lines of the table. unseen: about articles that the scorer was not trained on."""
    order = fit_order(read)
    those = [each for each in read if each.found]
    answers, least = fit_strength(SUMMARY, those, np.array([each.summary(order) for each in those]))
    new = [each for each in unseen if each.found]
    summaries = np.array([(*each.summary(order), each.score(order, scorer)) for each in new])
    scored, least_scored = fit_strength((*SUMMARY, "scorer"), new, summaries)
    told = [f"        least_strength={least},", f"        least_scored={least_scored},"]
    for name, names, values in (
        ("order", NAMES, order),
        ("answers", SUMMARY, answers),
        ("scored", (*SUMMARY, "scorer"), scored),
    ):
        told += [f"        {name}=("]
        told += [f"            {each},  # {of}" for of, each in zip(names, values, strict=True)]
        told += ["        ),"]
    return told


def fit() -> None:
    """Chooses everything on the dev halves and writes it where the service reads it."""
    scorer = packaged_scorer()
    read = [Read(question) for question in read_questions("dev")]
    unseen = [Read(question) for question in read_questions("dev", unseen=True)]
    head = WEIGHTS_FILE.read_text(encoding="utf-8").partition("WEIGHTS: ")[0].rstrip("\n")
    lines = [head, "", "", "WEIGHTS: Mapping[Script, Weights] = {"]
    for language in ("en", "zh"):
        lines += [f'    "{language}": Weights(']
        lines += fit_language(
            [each for each in read if each.asked.language == language],
            [each for each in unseen if each.asked.language == language],
            scorer,
        )
        lines += ["    ),"]
    WEIGHTS_FILE.write_text("\n".join([*lines, "}", ""]), encoding="utf-8")


# --- measuring ----------------------------------------------------------------------------------


def measure(
    which: str, count: int, scorer: AnswerScorer | None, *, unseen: bool
) -> list[dict[str, Any]]:
    """One row for each question."""
    check = AnswerCheck(scorer)
    found = []
    for question in read_questions(which, count, unseen=unseen):
        verdict = check.judge(question.text, question.shown)
        language: Script = verdict.asked.language
        chosen = choose_quotes(question.text, question.shown, verdict)
        text = "".join(piece for piece, _ in compose_answer(chosen))
        told = letters_and_digits(text)
        found.append(
            {
                "set": question.set,
                "language": language,
                "kind": question.kind,
                "exchanged": question.exchanged,
                "strength": verdict.strength,
                "refused": verdict.strength < verdict.least_strength,
                "lacks name": verdict.lacks_name,
                "contained": any(letters_and_digits(one) in told for one in question.answers),
                "quoted": len(chosen),
                "beside": sum(
                    not holds_answer(quote.sentence.text, question.answers) for quote in chosen
                ),
            }
        )
    return found


def report(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures, by set."""
    told: dict[str, Any] = {}
    for name in dict.fromkeys(row["set"] for row in found):
        those = [row for row in found if row["set"] == name]
        told[name] = {"refused": {}, "as against always": {}}
        for kind in dict.fromkeys(row["kind"] for row in those):
            of_kind = [row for row in those if row["kind"] == kind]
            told[name]["refused"][kind] = _share(of_kind, "refused")
            if kind == "near-miss":
                for thing in sorted({row["exchanged"] for row in of_kind}):
                    one = [row for row in of_kind if row["exchanged"] == thing]
                    told[name]["refused"][f"near-miss: {thing}"] = _share(one, "refused")
        told[name]["lacks a name"] = {
            kind: _share([row for row in those if row["kind"] == kind], "lacks name")
            for kind in ("answerable", "near-miss")
        }
        answerable = [row for row in those if row["kind"] == "answerable"]
        told[name]["contained answer"] = _share(answerable, "contained")
        quoted = sum(row["quoted"] for row in answerable)
        told[name]["sentences quoted"] = round(quoted / max(1, len(answerable)), 3)
        told[name]["beside the point"] = round(
            sum(row["beside"] for row in answerable) / max(1, quoted), 3
        )
        for kind, yes in (
            ("unanswerable", "answerable"),
            ("near-miss", "twin"),
            ("far", "answerable"),
        ):
            pair = [row for row in those if row["kind"] in (kind, yes)]
            if any(row["kind"] == kind for row in pair):
                told[name]["as against always"][kind] = compare_with_always(pair, kind)
    return told


def compare_with_always(rows: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Precision, recall and F1 of refusing this kind, and the gain over always refusing, with 95 %
    of the draws of the same questions.
    """
    wrong = np.array([row["kind"] == kind for row in rows], dtype=float)
    refused = np.array([row["refused"] for row in rows], dtype=float)
    draw = np.random.default_rng(0).integers(0, len(rows), (RESAMPLES, len(rows)))
    gains = [
        _f1(refused[each], wrong[each]) - _f1(np.ones(len(rows)), wrong[each]) for each in draw
    ]
    return {
        "precision": round(float((refused * wrong).sum() / max(1.0, refused.sum())), 3),
        "recall": round(float((refused * wrong).sum() / wrong.sum()), 3),
        "F1": round(_f1(refused, wrong), 3),
        "F1 of always": round(_f1(np.ones(len(rows)), wrong), 3),
        "gain": [round(float(each), 3) for each in np.quantile(gains, (0.025, 0.975))],
    }


def _f1(refused: Floats, wrong: Floats) -> float:
    return float(2 * (refused * wrong).sum() / max(1.0, refused.sum() + wrong.sum()))


def _share(rows: Sequence[dict[str, Any]], key: str) -> list[float]:
    """Share, and between what it lies with 95 % confidence (Wilson), and of how many."""
    counted = Share(sum(bool(row[key]) for row in rows), len(rows))
    return [round(each, 3) for each in (counted.value or 0.0, *counted.interval())] + [counted.of]


def measure_denied(which: str, scorer: AnswerScorer | None, count: int = 40) -> dict[str, Any]:
    """Of so many answered questions of each set, how many lose or gain the answer if a passage that
    ranks first says that no document answers.
    """
    from bench.injection import DENIALS

    check = AnswerCheck(scorer)
    told: dict[str, Any] = {}
    for name in SETS:
        changed = asked = 0
        for question in QuestionSet(name, which).answerable(count):
            language: Script = read_question(question.text).language
            bare = question.text.rstrip("?？").lower()
            for denial in DENIALS[language]:
                said = denial.format(question=question.text, bare=bare)
                quoted = [
                    _quote(check, question.text, shown)
                    for shown in (question.shown, _put_first(said, question.shown))
                ]
                before, after = (holds_answer(text, question.answers) for text in quoted)
                changed += before != after
                asked += 1
        told[name] = {"changed": changed, "of": asked}
    return told


def _quote(check: AnswerCheck, question: str, shown: Sequence[Passage]) -> str:
    chosen = choose_quotes(question, shown, check.judge(question, shown))
    return "".join(piece for piece, _ in compose_answer(chosen))


def _put_first(text: str, shown: Sequence[Passage]) -> tuple[Passage, ...]:
    span = PassageSpan(text=text, start=0, end=len(text), section=(), pages=())
    first = replace(shown[0], n=1, id="denial", document_id="denial", path="denial", spans=(span,))
    return (first, *(replace(each, n=each.n + 1) for each in shown))


def cost(scorer: AnswerScorer | None, count: int = 100) -> dict[str, float]:
    """Processor milliseconds for each question."""
    check, spent = AnswerCheck(scorer), list[float]()
    for question in read_questions("dev", count):
        begun = time.process_time()
        choose_quotes(question.text, question.shown, check.judge(question.text, question.shown))
        spent.append(1000 * (time.process_time() - begun))
    return {
        "questions": len(spent),
        "median": round(float(np.median(spent)), 2),
        "95 of 100": round(float(np.quantile(spent, 0.95)), 2),
    }


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("what", choices=["fit", "measure", "denied", "cost"])
    options.add_argument("--half", choices=["dev", "held-out"], default="dev")
    options.add_argument("--questions", type=int, default=QUESTIONS, help="of each kind and set")
    options.add_argument("--scorer", action="store_true", help="with the packaged scorer")
    options.add_argument("--unseen", action="store_true", help="as with it, but without it")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    if given.what == "fit":
        fit()
        return
    scorer = packaged_scorer() if given.scorer else None
    told: dict[str, Any] = (
        cost(scorer)
        if given.what == "cost"
        else measure_denied(given.half, scorer)
        if given.what == "denied"
        else report(
            measure(given.half, given.questions, scorer, unseen=given.unseen or scorer is not None)
        )
    )
    written = json.dumps({"half": given.half, **told}, indent=1, ensure_ascii=False)
    print(written)
    if given.json:
        given.json.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
