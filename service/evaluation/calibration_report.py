"""What a calibration found, told: lines for the terminal, and a picture of the curves."""

from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from indexes.text.scripts import Script
from service.evaluation import charts
from service.evaluation.calibration import NAMES, Calibration, LanguageThreshold
from service.evaluation.outcomes import write_private
from service.evaluation.thresholds import Aims, OperatingPoint, Share, thin_out

ROWS = 11  # of a curve, as text
MUCH_MORE = 0.05  # more false refusals in many words than in few, as a share

_PICTURES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def describe(found: Calibration) -> list[str]:
    """All of it, for people."""
    search = f"{found.mode} search with {found.generation.model}"
    said = [f"Abstention for {search}, aiming at {found.aims}:"]
    for language, threshold in found.findings.items():
        said += _describe_language(language, threshold, found.aims)
    for language, (answerable, others) in found.too_few.items():
        said.append(
            f"  questions {NAMES[language]}: no threshold ({answerable} answerable, {others} others)"
        )
    if found.left_aside:
        said.append(
            f"  {found.left_aside} questions found nothing at all and are refused without a threshold"
        )
    if found.follow_ups:
        said.append(
            f"  {found.follow_ups} follow-ups were not asked: what they search for depends on what was said before"
        )
    return said


def write_picture(found: Calibration, file: Path) -> None:
    """The curves of every language as SVG, readable by its owner alone. Raises BadInput."""
    write_private(file, render_picture(found))


def render_picture(found: Calibration) -> str:
    """The curves of every language as SVG, one below the other, without anything from elsewhere."""
    panels = [
        charts.chart_thresholds(
            f"Questions {NAMES[language]}",
            threshold.curve,
            threshold.tried.always.f1,
            _marks(threshold),
        )
        for language, threshold in found.findings.items()
    ]
    return _PICTURES.get_template("calibration.svg").render(
        title=f"{found.mode} search with {found.generation.model}, aiming at {found.aims}",
        panels=panels,
        width=charts.PANEL_WIDTH,
        height=charts.PANEL_HEIGHT,
    )


def _marks(found: LanguageThreshold) -> list[tuple[str, float]]:
    name = "chosen" if found.reached else "nearest"
    now = [] if found.present is None else [("now", found.present.threshold)]
    return [(name, found.threshold), *now]


def _describe_language(language: Script, found: LanguageThreshold, aims: Aims) -> Iterator[str]:
    chosen, tried = found.chosen, found.tried
    about = f"  questions {NAMES[language]}:"
    if found.reached:
        yield f"{about} refuse strength below {found.threshold:.4f}"
    else:
        yield f"{about} the aim cannot be reached; the nearest is to refuse strength below {found.threshold:.4f}"
    yield (
        f"    chosen on {chosen.answerable} questions with an answer and {chosen.unanswerable} without:"
        f" {', '.join(_format_figures(chosen))}"
    )
    yield f"    on the other half, {tried.answerable} with an answer and {tried.unanswerable} without:"
    for name, share in _shares(tried).items():
        yield f"      {name:16}{share}{_verdict(name, share, aims)}"
    if found.wordy is not None:
        yield f"      {'in many words':16}{found.wordy} of those with an answer are refused"
    if len(found.others) > 1:
        for kind, share in found.others.items():
            yield f"      {kind:16}{share} are refused, which is right"
    yield from (f"    {line}" for line in _tabulate(found))
    yield from (f"    ! {warning}" for warning in find_warnings(found))


def find_warnings(found: LanguageThreshold) -> list[str]:
    """What somebody must know before relying on a threshold."""
    tried, said = found.tried, []
    if tried.refuses_almost_nothing:
        said.append(
            f"This threshold refuses almost nothing: {tried.right} of {tried.unanswerable} questions without an answer."
        )
    if tried.f1 <= tried.always.f1:
        said.append(
            f"To refuse every question has no lower F1 ({tried.always.f1:.2f}) than this ({tried.f1:.2f})."
        )
    wordy, plain = found.wordy, tried.false_refusals.value
    if wordy is not None and plain is not None and (wordy.value or 0.0) > plain + MUCH_MORE:
        said.append(
            f"Asked in many words, {wordy.count} of {wordy.of} questions with an answer are refused: pass"
            " --spare-wordy if people ask like that."
        )
    return said


def _shares(point: OperatingPoint) -> dict[str, Share]:
    return {
        "precision": point.precision,
        "recall": point.recall,
        "false refusals": point.false_refusals,
    }


def _verdict(name: str, share: Share, aims: Aims) -> str:
    """Whether an aim is met by questions that the threshold was not chosen on."""
    aim = aims.named().get(name)
    if aim is None or share.value is None:
        return ""
    met = share.value <= aim if name == "false refusals" else share.value >= aim
    return f", {'as' if met else 'not what was'} aimed at"


def _tabulate(found: LanguageThreshold) -> Iterator[str]:
    """The curve on the other half, with what was chosen and what holds now, and to refuse nothing and
    everything beside them.
    """
    yield f"{'refuse below':>14}{'precision':>11}{'recall':>9}{'F1':>7}{'false refusals':>16}"
    rows = {point.threshold: point for point in thin_out(found.curve, ROWS) if point.threshold > 0}
    rows |= {point.threshold: point for point in (found.present, found.tried) if point is not None}
    nothing = OperatingPoint(0.0, 0, 0, found.tried.unanswerable, found.tried.answerable)
    yield _row("never refuse", nothing)
    for threshold in sorted(rows):
        notes = [name for name, at in _marks(found) if at == threshold]
        yield _row(f"{threshold:.4f}", rows[threshold], notes)
    yield _row("always refuse", found.tried.always)


def _row(name: str, point: OperatingPoint, notes: list[str] | None = None) -> str:
    precision, recall, false = (
        "–" if share.value is None else f"{100 * share.value:.1f} %"
        for share in _shares(point).values()
    )
    row = f"{name:>14}{precision:>11}{recall:>9}{point.f1:>7.2f}{false:>16}"
    return f"{row}  {', '.join(notes)}" if notes else row


def _format_figures(point: OperatingPoint) -> list[str]:
    told = [
        f"{name} {100 * share.value:.1f} %"
        for name, share in _shares(point).items()
        if share.value is not None
    ]
    return [*told, f"F1 {point.f1:.2f}"]
