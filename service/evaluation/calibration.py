"""Thresholds of abstention, calibrated from labelled questions: how little evidence is too little,
and what that costs.

For each language asked in, on one half of the questions: the highest threshold that refuses at most
the wanted share of those that can be answered. On the other half: what it refuses. Questions that
find nothing at all are left aside; they are refused without any threshold.

People are wordier than question sets, and words that no passage holds lower the evidence. So every
answerable question is asked in many words too, and the threshold has to spare those as well.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from indexes.catalog import Catalog
from indexes.errors import BadInput, Busy
from indexes.model import Actor, IndexGeneration, Mode, Principal
from indexes.search.searcher import Searcher
from indexes.text.scripts import Script, script
from service.answering.evidence import OFF, SETTING, read_thresholds, share_a_language
from service.evaluation.cases import Case

LEAST_ANSWERABLE = 50  # questions in one language, for a threshold to be calibrated for it
LEAST_OTHERS = 20
SURE = 1.96  # standard deviations: 95 in 100 intervals hold the truth
NAMES: Mapping[Script, str] = {"en": "in languages other than Chinese", "zh": "in Chinese"}

WORDY: Mapping[Script, str] = {
    "en": "Hello! I was wondering whether you could help me with something for my report: {} Thanks a lot in advance!",
    "zh": "你好，请帮我查一下资料，{}麻烦用两三句话回答，并注明出处，谢谢！",
}

ReportProgress = Callable[[int, int], None]  # questions done, of how many
Kind = Callable[[Case], str]


@dataclass(frozen=True, slots=True)
class RefusedShare:
    """So many of so many were refused."""

    refused: int
    of: int

    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence (Wilson)."""
        if not self.of:
            return 0.0, 1.0
        share, weight = self.refused / self.of, SURE * SURE / self.of
        middle, spread = (
            share + weight / 2,
            SURE * math.sqrt(share * (1 - share) / self.of + weight / (4 * self.of)),
        )
        return (middle - spread) / (1 + weight), (middle + spread) / (1 + weight)

    def __str__(self) -> str:
        low, high = self.interval()
        part = 100 * self.refused / self.of if self.of else 0.0
        return f"{self.refused} of {self.of} ({part:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageThreshold:
    """The threshold for questions in one language, and what it did to questions it was not chosen
    on.
    """

    threshold: float
    chosen_on: int  # answerable questions
    answerable: RefusedShare  # of the other half
    wordy: RefusedShare | None  # of the same, asked in many words
    others: Mapping[str, RefusedShare]  # of the other half, by kind: what should be refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What `calibrate` found. It counts once it is stored."""

    generation: IndexGeneration
    mode: Mode
    max_refused_share: float
    findings: Mapping[Script, LanguageThreshold]
    left_aside: int  # questions that found nothing at all
    # languages without a threshold: answerable questions, others
    too_few: Mapping[Script, tuple[int, int]]

    def lines(self) -> list[str]:
        """For people."""
        search = f"{self.mode} search with {self.generation.model}"
        said = [f"Abstention for {search}, refusing at most {self.max_refused_share:.1%}:"]
        for language, found in self.findings.items():
            said.append(
                f"  questions {NAMES[language]}: refuse evidence below {found.threshold:.4f}"
            )
            said.append(
                f"    chosen on {found.chosen_on} answerable questions; on the other half it refuses"
            )
            said.append(f"    {found.answerable} of the answerable, which is wrong")
            said += (
                [f"    {found.wordy} of these asked in many words, which is wrong"]
                if found.wordy
                else []
            )
            said += [
                f"    {share} of the {kind}, which is right" for kind, share in found.others.items()
            ]
        for language, (answerable, others) in self.too_few.items():
            said.append(
                f"  questions {NAMES[language]}: no threshold ({answerable} answerable, {others} others)"
            )
        if self.left_aside:
            said.append(
                f"  {self.left_aside} questions found nothing at all and are refused without a threshold"
            )
        return said


@dataclass(frozen=True, slots=True)
class MeasuredQuestion:
    """A question with what was found for it."""

    case: Case
    evidence: float  # infinite if no threshold refuses it
    wordy: float | None = None  # the same, asked in many words

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
    mode: Mode = "hybrid",
    k: int = 8,
    max_refused_share: float = 0.02,
    wordy: bool = True,
    kind: Kind = lambda case: "unanswerable",
    progress: ReportProgress = lambda done, total: None,
) -> Calibration:
    """Asks every question as its user and chooses thresholds. Stores nothing.

    max_refused_share: share of the answerable questions that may be refused. wordy: whether they
    are asked in many words too; not needed if they are in the users' own words. kind: what an
    unanswerable question is called in the figures. Raises BadInput if no language has questions
    enough, Busy if another model became active meanwhile.
    """
    if not 0 <= max_refused_share <= 0.5:
        raise BadInput(
            f"The share of answerable questions to refuse is {max_refused_share}.",
            remedy="Take 0 to 0.5, such as 0.02.",
        )
    generation = searcher.corpus.catalog.generations.active()
    measured = measure_evidence(searcher, cases, mode=mode, k=k, wordy=wordy, progress=progress)
    if generation is None or searcher.corpus.generation().id != generation.id:
        raise Busy("Another embedding model became active meanwhile.", remedy="Calibrate again.")
    findings, too_few = _choose_thresholds(measured, max_refused_share, kind)
    return Calibration(
        generation=generation,
        mode=mode,
        max_refused_share=max_refused_share,
        findings=findings,
        left_aside=len(cases) - len(measured),
        too_few=too_few,
    )


def measure_evidence(
    searcher: Searcher,
    cases: Sequence[Case],
    *,
    mode: Mode = "hybrid",
    k: int = 8,
    wordy: bool = True,
    progress: ReportProgress = lambda done, total: None,
) -> list[MeasuredQuestion]:
    """The evidence for each question that finds anything in its asker's view."""
    measured: list[MeasuredQuestion] = []
    for done, case in enumerate(cases, start=1):
        evidence = _find_evidence(searcher, case.question, case.user, mode, k)
        if evidence is not None:
            text = WORDY[script(case.question)].format(case.question)
            also = (
                _find_evidence(searcher, text, case.user, mode, k)
                if wordy and case.answerable
                else None
            )
            measured.append(MeasuredQuestion(case, evidence, also))
        progress(done, len(cases))
    return measured


def _find_evidence(
    searcher: Searcher, question: str, user: str, mode: Mode, k: int
) -> float | None:
    """Infinite if no threshold refuses it; None if nothing at all was found."""
    result = searcher.search(question, Principal(name=user), k, mode=mode)
    if not result.hits:
        return None
    return result.evidence if share_a_language(question, result.hits) else math.inf


def store_calibration(catalog: Catalog, calibration: Calibration, *, by: Actor) -> None:
    """From the next request on, in every process.

    Thresholds for other languages and ways of searching stay.
    """
    before = _read_setting(catalog.generations.settings(calibration.generation))
    of_mode = dict(before.get(calibration.mode) or {})
    for language, found in calibration.findings.items():
        of_mode[language] = {
            "threshold": found.threshold,
            "max_refused_share": calibration.max_refused_share,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "chosen_on": found.chosen_on,
            "answerable": [found.answerable.refused, found.answerable.of],
            "wordy": found.wordy and [found.wordy.refused, found.wordy.of],
            "others": {kind: [share.refused, share.of] for kind, share in found.others.items()},
        }
    before.pop(OFF, None)
    catalog.generations.keep_setting(
        calibration.generation, SETTING, {**before, calibration.mode: of_mode}, by=by
    )


def describe_in_force(catalog: Catalog) -> list[str]:
    """What holds for the active generation, for people; if empty, nothing is refused for little
    evidence.
    """
    found = catalog.generations.in_force()
    if found is None:
        return []
    kept = _read_setting(found[1])
    lines = []
    for (mode, language), threshold in sorted(read_thresholds(*found).items()):
        at = kept.get(mode, {}).get(language, {}).get("at")
        since = f"calibrated {at}" if at else "comes with the model"
        lines.append(
            f"{mode} search, questions {NAMES[language]}: refuses evidence below {threshold:.4f} ({since})"
        )
    return lines


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


def _choose_thresholds(
    measured: Sequence[MeasuredQuestion], max_refused_share: float, kind: Kind
) -> tuple[dict[Script, LanguageThreshold], dict[Script, tuple[int, int]]]:
    findings: dict[Script, LanguageThreshold] = {}
    too_few: dict[Script, tuple[int, int]] = {}
    for language in get_args(Script):
        those = [each for each in measured if script(each.case.question) == language]
        answerable = sum(each.case.answerable for each in those)
        if answerable >= LEAST_ANSWERABLE and len(those) - answerable >= LEAST_OTHERS:
            findings[language] = _calibrate_language(those, max_refused_share, kind)
        elif those:
            too_few[language] = answerable, len(those) - answerable
    if not findings:
        told = "; ".join(
            f"{yes} answerable and {no} others {NAMES[name]}" for name, (yes, no) in too_few.items()
        )
        raise BadInput(
            f"Too few questions found anything: {told or 'none'}.",
            remedy=f"At least {LEAST_ANSWERABLE} that documents of their askers answer, and {LEAST_OTHERS} that none"
            " does, are needed in one language.",
        )
    return findings, too_few


def _calibrate_language(
    measured: Sequence[MeasuredQuestion], max_refused_share: float, kind: Kind
) -> LanguageThreshold:
    chosen_on = [each for each in measured if each.is_for_choosing and each.case.answerable]
    threshold = choose_threshold(chosen_on, max_refused_share)
    tried = [each for each in measured if not each.is_for_choosing]
    answerable = [each for each in tried if each.case.answerable]
    others = [each for each in tried if not each.case.answerable]
    wordy = [each.wordy for each in answerable if each.wordy is not None]
    return LanguageThreshold(
        threshold=threshold,
        chosen_on=len(chosen_on),
        answerable=_count_refused([each.evidence for each in answerable], threshold),
        wordy=_count_refused(wordy, threshold) if wordy else None,
        others={
            name: _count_refused(
                [each.evidence for each in others if kind(each.case) == name], threshold
            )
            for name in sorted({kind(each.case) for each in others})
        },
    )


def choose_threshold(answerable: Sequence[MeasuredQuestion], max_refused_share: float) -> float:
    """The threshold that refuses at most this share of these, and of these asked in many words."""
    wordy = [each.wordy for each in answerable if each.wordy is not None]
    plain = threshold_of([each.evidence for each in answerable], max_refused_share)
    return min(plain, threshold_of(wordy, max_refused_share)) if wordy else plain


def threshold_of(answerable: Sequence[float], max_refused_share: float) -> float:
    """The highest, to four digits, that at most this share of these is below."""
    ranked = sorted(answerable)
    lowest_kept = ranked[math.floor(max_refused_share * len(ranked))] if ranked else 0.0
    return math.floor(10_000 * lowest_kept) / 10_000 if math.isfinite(lowest_kept) else 0.0


def _count_refused(evidence: Sequence[float], threshold: float) -> RefusedShare:
    return RefusedShare(sum(each < threshold for each in evidence), len(evidence))
