"""Thresholds of abstention, calibrated from labelled questions: how little strength is too little to
answer, and what that costs. Strength is what the answer check says of the passages that were found.

For each language asked in, on one half of the questions: the threshold that reaches what is aimed
at. On the other half: what it reaches there. Questions that find nothing at all are left aside;
they are refused without any threshold. Those whose evidence is too little already are refused
whatever the threshold; they are counted so. The choosing itself is in `thresholds`.

People are wordier than question sets, and words that no passage holds lower the strength. So every
answerable question is asked in many words too, and the report tells how many of those would be
refused. Whoever needs them spared asks for that; the threshold is then lower.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any, get_args

from indexes.catalog import Catalog
from indexes.embedder.answer_scorer import WORDS
from indexes.errors import BadInput, Busy
from indexes.model import Actor, IndexGeneration, Mode, Principal, SearchResult
from indexes.search.searcher import Searcher
from indexes.text.scripts import Script, script
from service.answering.answer_check.verdict import AnswerCheck
from service.answering.evidence import (
    OFF,
    SETTING,
    Thresholds,
    is_off,
    is_weak,
    measure_strength,
    read_strengths,
    read_thresholds,
    share_a_language,
)
from service.evaluation.cases import Case
from service.evaluation.thresholds import Aims, Measured, OperatingPoint, Share, choose_point

LEAST_ANSWERABLE = 50  # questions in one language, for a threshold to be calibrated for it
LEAST_OTHERS = 20
NAMES: Mapping[Script, str] = {"en": "in languages other than Chinese", "zh": "in Chinese"}

WORDY: Mapping[Script, str] = {
    "en": "Hello! I was wondering whether you could help me with something for my report: {} Thanks a lot in advance!",
    "zh": "你好，请帮我查一下资料，{}麻烦用两三句话回答，并注明出处，谢谢！",
}

ReportProgress = Callable[[int, int], None]  # questions done, of how many
Kind = Callable[[Case], str]
Measure = Callable[[str, SearchResult], float]  # of a question and what was found for it


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageThreshold:
    """The threshold for questions in one language, what it did to those it was chosen on, and what
    it does to the others.
    """

    reached: bool  # whether the aims are met on the half that it was chosen on
    chosen: OperatingPoint  # on that half
    tried: OperatingPoint  # on the other half, as all that follows
    present: OperatingPoint | None  # what holds now; None if nothing does
    curve: tuple[OperatingPoint, ...]
    wordy: Share | None  # refused answerable questions, asked in many words
    others: Mapping[str, Share]  # what should be refused, by kind

    @property
    def threshold(self) -> float:
        return self.chosen.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What `calibrate` found. It counts once it is stored."""

    generation: IndexGeneration
    mode: Mode
    aims: Aims
    findings: Mapping[Script, LanguageThreshold]
    left_aside: int  # questions that found nothing at all
    follow_ups: int  # questions with a history, which are not asked
    # languages without a threshold: answerable questions, others
    too_few: Mapping[Script, tuple[int, int]]
    measured_by: str  # the name of the answer check

    @property
    def reached(self) -> bool:
        """Whether every language that has questions enough reaches the aims."""
        return all(found.reached for found in self.findings.values())


@dataclass(frozen=True, slots=True)
class MeasuredQuestion:
    """A question with what was found for it."""

    case: Case
    # strength: infinite if no threshold refuses it, less than nothing if every one does
    evidence: float
    wordy: float | None = None  # the same, asked in many words

    @property
    def least(self) -> float:
        """The evidence in whichever words it has less."""
        return self.evidence if self.wordy is None else min(self.evidence, self.wordy)

    @property
    def is_for_choosing(self) -> bool:
        """Whether the threshold is chosen on this question, or tried on it.

        The same for everybody who asks it.
        """
        return (
            hashlib.sha256(self.case.question.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 0
        )


def calibrate(
    searcher: Searcher,
    cases: Sequence[Case],
    *,
    aims: Aims,
    mode: Mode = "hybrid",
    k: int = 8,
    spare_wordy: bool = False,
    kind: Kind = lambda case: "unanswerable",
    check: AnswerCheck | None = None,
    progress: ReportProgress = lambda done, total: None,
) -> Calibration:
    """Asks every question as its user and chooses thresholds. Stores nothing.

    spare_wordy: an answerable question counts as refused if it is refused in many words. kind: what
    an unanswerable question is called in the figures. check: if None, words alone tell what answers.
    Raises BadInput if no language has questions
    enough, Busy if another model became active meanwhile.
    """
    in_force = searcher.corpus.in_force()
    weak = {} if in_force is None else read_thresholds(*in_force)
    check = check or AnswerCheck()
    present = {} if in_force is None else read_strengths(in_force[1], check)
    alone = [case for case in cases if not case.history]
    measure = partial(_strength_of, weak=weak, check=check)
    measured = measure_evidence(searcher, alone, mode=mode, k=k, measure=measure, progress=progress)
    if in_force is None or searcher.corpus.generation().id != in_force[0].id:
        raise Busy("Another embedding model became active meanwhile.", remedy="Calibrate again.")
    enough, too_few = _part_languages(measured)
    findings = {
        language: _calibrate_language(
            those, aims, present.get((mode, language)), spare_wordy=spare_wordy, kind=kind
        )
        for language, those in enough.items()
    }
    return Calibration(
        generation=in_force[0],
        mode=mode,
        aims=aims,
        findings=findings,
        left_aside=len(alone) - len(measured),
        follow_ups=len(cases) - len(alone),
        too_few=too_few,
        measured_by=check.name,
    )


def evidence_of(question: str, result: SearchResult) -> float:
    """Infinite if no threshold refuses it."""
    return result.evidence if share_a_language(question, result.hits) else math.inf


def measure_evidence(
    searcher: Searcher,
    cases: Sequence[Case],
    *,
    mode: Mode = "hybrid",
    k: int = 8,
    wordy: bool = True,
    measure: Measure = evidence_of,
    progress: ReportProgress = lambda done, total: None,
) -> list[MeasuredQuestion]:
    """What is measured of each question that finds anything in its asker's view."""

    def find(question: str, user: str) -> float | None:
        result = searcher.search(question, Principal(name=user), k, mode=mode)
        return measure(question, result) if result.hits else None

    measured: list[MeasuredQuestion] = []
    for done, case in enumerate(cases, start=1):
        found = find(case.question, case.user)
        if found is not None:
            text = WORDY[script(case.question)].format(case.question)
            also = find(text, case.user) if wordy and case.answerable else None
            measured.append(MeasuredQuestion(case, found, also))
        progress(done, len(cases))
    return measured


def _strength_of(
    question: str, result: SearchResult, *, weak: Thresholds, check: AnswerCheck
) -> float:
    """weak: how little evidence is too little, whatever the strength."""
    if is_weak(question, result, weak):
        return -math.inf
    return measure_strength(question, result, check)


def store_calibration(
    catalog: Catalog, calibration: Calibration, *, by: Actor, anyway: bool = False
) -> None:
    """From the next request on, in every process: for each language that reaches the aims. Thresholds
    for other languages and ways of searching stay.

    anyway: also where the aims are not reached, with what comes nearest.
    """
    before = _read_setting(catalog.generations.settings(calibration.generation))
    of_mode = dict(before.get(calibration.mode) or {})
    kept = {
        language: found
        for language, found in calibration.findings.items()
        if found.reached or anyway
    }
    if not kept:
        return
    for language, found in kept.items():
        beside = of_mode.get(language) or {}  # how little evidence is too little stays
        of_mode[language] = {**beside, **_told_of(found, calibration)}
    before.pop(OFF, None)
    catalog.generations.keep_setting(
        calibration.generation, SETTING, {**before, calibration.mode: of_mode}, by=by
    )


def _told_of(found: LanguageThreshold, calibration: Calibration) -> dict[str, Any]:
    """What is stored of a threshold: the number that holds, and where it comes from."""
    return {
        "strength": found.threshold,
        "by": calibration.measured_by,
        "aims": calibration.aims.named(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "chosen_on": found.chosen.answerable,
        "answerable": [found.tried.wrong, found.tried.answerable],
        "wordy": found.wordy and [found.wordy.count, found.wordy.of],
        "others": {kind: [share.count, share.of] for kind, share in found.others.items()},
    }


def describe_in_force(catalog: Catalog, checked_by: str) -> list[str]:
    """What holds for the active generation, for people; if empty, nothing is refused for little
    evidence. checked_by: the name of the answer check, whose strengths count.
    """
    found = catalog.generations.in_force()
    if found is None:
        return []
    kept = _read_setting(found[1])
    lines = []
    for (mode, language), threshold in sorted(read_thresholds(*found).items()):
        stored = "threshold" in kept.get(mode, {}).get(language, {})
        since = "stored" if stored else "comes with the model"
        lines.append(
            f"{mode} search, questions {NAMES[language]}: refuses evidence below {threshold:.4f} ({since})"
        )
    off = is_off(found[1])
    for mode, language in sorted(product(get_args(Mode), get_args(Script))):
        told = kept.get(mode, {}).get(language, {})
        if "strength" in told and not off:
            lines.append(
                f"{mode} search, questions {NAMES[language]}: {_describe_strength(told, checked_by)}"
            )
    return lines


def _describe_strength(told: Mapping[str, Any], checked_by: str) -> str:
    by, at = told.get("by", WORDS), told.get("at")
    if by == checked_by:
        return f"refuses strength below {told['strength']:.4f} (calibrated {at})"
    return (
        f"what was calibrated {at} does not count, for it was measured by {by}"
        f" and answers are checked by {checked_by}: calibrate again"
    )


def forget_calibration(catalog: Catalog, *, by: Actor) -> bool:
    """Removes what was calibrated or switched off for the active generation; what comes with the
    model holds again.

    Returns whether there was anything.
    """
    found = catalog.generations.in_force()
    if found is None or SETTING not in found[1]:
        return False
    catalog.generations.keep_setting(found[0], SETTING, None, by=by)
    return True


def switch_abstention_off(catalog: Catalog, *, by: Actor) -> None:
    """From the next request on nothing is refused for little evidence, until something is
    calibrated or forgotten.
    """
    found = catalog.generations.in_force()
    if found is None:
        raise BadInput("There is no index yet.", remedy="Ingest a first document.")
    catalog.generations.keep_setting(
        found[0], SETTING, {**_read_setting(found[1]), OFF: True}, by=by
    )


def _read_setting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored; nothing if that is no calibration."""
    kept = settings.get(SETTING)
    return dict(kept) if isinstance(kept, dict) else {}


def _part_languages(
    measured: Sequence[MeasuredQuestion],
) -> tuple[dict[Script, list[MeasuredQuestion]], dict[Script, tuple[int, int]]]:
    """The questions by language, and how many there are of languages with too few.

    Raises BadInput if no language has enough.
    """
    enough: dict[Script, list[MeasuredQuestion]] = {}
    too_few: dict[Script, tuple[int, int]] = {}
    for language in get_args(Script):
        those = [each for each in measured if script(each.case.question) == language]
        answerable = sum(each.case.answerable for each in those)
        if answerable >= LEAST_ANSWERABLE and len(those) - answerable >= LEAST_OTHERS:
            enough[language] = those
        elif those:
            too_few[language] = answerable, len(those) - answerable
    if not enough:
        told = "; ".join(
            f"{yes} answerable and {no} others {NAMES[name]}" for name, (yes, no) in too_few.items()
        )
        raise BadInput(
            f"Too few questions found anything: {told or 'none'}.",
            remedy=f"At least {LEAST_ANSWERABLE} that documents of their askers answer, and {LEAST_OTHERS} that none"
            " does, are needed in one language.",
        )
    return enough, too_few


def _calibrate_language(
    measured: Sequence[MeasuredQuestion],
    aims: Aims,
    present: float | None,
    *,
    spare_wordy: bool,
    kind: Kind,
) -> LanguageThreshold:
    """present: the threshold that holds now."""
    halves = [[each for each in measured if each.is_for_choosing is half] for half in (True, False)]
    choosing, trying = (_parted(half, spare_wordy=spare_wordy) for half in halves)
    chosen, reached = choose_point(choosing.points(), aims)
    wordy = [each.wordy for each in halves[1] if each.wordy is not None]
    others = [each for each in halves[1] if not each.case.answerable]
    return LanguageThreshold(
        reached=reached,
        chosen=chosen,
        tried=trying.point(chosen.threshold),
        present=None if present is None else trying.point(present),
        curve=tuple(trying.curve()),
        wordy=_count_refused(wordy, chosen.threshold) if wordy else None,
        others={
            name: _count_refused(
                [each.evidence for each in others if kind(each.case) == name], chosen.threshold
            )
            for name in sorted({kind(each.case) for each in others})
        },
    )


def _parted(those: Sequence[MeasuredQuestion], *, spare_wordy: bool) -> Measured:
    """The evidence for questions, with and without an answer."""
    return Measured(
        [each.least if spare_wordy else each.evidence for each in those if each.case.answerable],
        [each.evidence for each in those if not each.case.answerable],
    )


def _count_refused(evidence: Sequence[float], threshold: float) -> Share:
    return Share(sum(each < threshold for each in evidence), len(evidence))
