"""What a measurement found, told: a table in the terminal, JSON for programs, one page with plots
for people.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.table import Table
from rich.text import Text

from indexes.cli.terminal import printable
from service.evaluation import charts
from service.evaluation.cases import Case
from service.evaluation.comparison import Estimate, Summary, format_estimate, format_value
from service.evaluation.outcomes import CaseOutcome, write_private
from service.evaluation.results import Results
from service.evaluation.scores import ALL_MEASURES, MEASURES, Measure

FEW = 30  # questions below which an interval says little
EXAMPLES = 40  # questions shown in full
FAILURES = 20  # told one by one
WIDTH = 200  # characters of a line if there is no terminal

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """One question with what each arm said."""

    case: Case
    # colour, arm, answer, how right it is overall
    answers: tuple[tuple[int, str, CaseOutcome, float | None], ...]


def write_reports(results: Results, folder: Path) -> tuple[Path, Path]:
    """For programs and for people, in files of their owner alone: they hold questions and answers.

    Raises BadInput.
    """
    json_file, html_file = folder / "results.json", folder / "report.html"
    write_private(json_file, json.dumps(results.as_dict(), indent=2, ensure_ascii=False))
    write_private(html_file, render_page(results))
    return json_file, html_file


def render_page(results: Results) -> str:
    """One HTML file without a script and without anything from elsewhere.

    Text of documents stands in it as text.
    """
    spreads = (
        _chart_measure(results, MEASURES[-1], "Latency"),
        _chart_measure(results, MEASURES[-2], "Prompt tokens"),
    )
    return _PAGES.get_template("report.html").render(
        results=results,
        measures=[
            (measure, list(_find_estimates(results.summaries, measure))) for measure in ALL_MEASURES
        ],
        levels=charts.chart_levels(results.summaries),
        contrasts=charts.chart_differences(results.comparisons, results.arms),
        spreads=[each for each in spreads if each],
        examples=choose_examples(results),
        leak_note=_leak_note(results) if results.leaks else None,
        notes=find_notes(results),
        shown=format_value,
        seconds=lambda value: "–" if value is None else f"{value:.2f} s",
        colours=charts.COLOURS,
    )


def print_results(
    results: Results, written: Sequence[Path], console: Console | None = None
) -> None:
    """The table, the verdicts and what has to be said loudly, on stdout."""
    width = None if sys.stdout.isatty() else WIDTH
    out = console or Console(
        markup=False, highlight=False, emoji=False, soft_wrap=True, width=width
    )
    out.print(printable(f"{results.given.name}: {results.size}"))
    out.print(tabulate_results(results))
    for each in sorted(results.comparisons, key=lambda each: not each.is_shown):
        out.print(printable(each.verdict))
    for note in find_notes(results):
        out.print(printable(note))
    for case, arm, reason in results.failures[:FAILURES]:
        out.print(Text(printable(f"failed  {arm}  {case.id}  {reason}"), style="yellow"))
    for file in written:
        out.print(f"Written: {file}")
    if results.leaks:
        out.print(Text(_leak_note(results), style="bold white on red"))


def tabulate_results(results: Results) -> Table:
    """A row for each measure, a column for each arm."""
    made = Table(show_edge=False, pad_edge=False)
    made.add_column("")
    for arm in results.arms:
        made.add_column(printable(arm), justify="right")
    for measure in ALL_MEASURES:
        cells = list(_find_estimates(results.summaries, measure))
        if any(cells):
            made.add_row(measure.title, *(_format_cell(value, measure) for value in cells))
    for title, value in _count_rows(results.summaries):
        made.add_row(title, *value)
    return made


def find_notes(results: Results) -> list[str]:
    """What a reader must know before believing the figures."""
    found: list[str] = []
    if results.failures:
        found.append(
            f"Failed: {len(results.failures)} of {len(results.outcomes)} answers. They count in no measure."
        )
    if results.given.textless:
        found.append(
            f"{results.given.textless} rows of the set hold no question; they are left out."
        )
    if results.given.lost:
        found.append(
            f"{results.given.lost} questions of the set have an answer in documents that the catalog does not show to"
            " their asker; they count as without one. Is the set ingested with its readers?"
        )
    if any(each.difference.questions < FEW for each in results.comparisons):
        found.append(
            f"Some differences rest on fewer than {FEW} questions, where intervals are too narrow."
        )
    return found


def choose_examples(results: Results) -> list[Example]:
    """Questions that tell the arms apart come first, then those that went worst."""
    overall = MEASURES[0]

    def make_example(case: Case) -> Example:
        answers = []
        for at, arm in enumerate(results.arms):
            if outcome := results.outcomes.get((arm, case.id)):
                got, could = overall.of(case, outcome)
                right = got / could if could and not outcome.failure else None
                answers.append((at % charts.COLOURS, arm, outcome, right))
        return Example(case, tuple(answers))

    def rank_by_difference(example: Example) -> tuple[float, float]:
        rights = [right for *_, right in example.answers if right is not None]
        return (min(rights) - max(rights), sum(rights) / len(rights)) if rights else (0.0, 2.0)

    return sorted(map(make_example, results.cases), key=rank_by_difference)[:EXAMPLES]


def _leak_note(results: Results) -> str:
    count = sum(map(len, results.leaks.values()))
    first = "; ".join(
        f"{case} by {arm}: {', '.join(paths[:3])}"
        for (arm, case), paths in [*results.leaks.items()][:3]
    )
    return printable(
        f"LEAKS: {count} documents were shown to somebody who may not read them ({first})."
    )


def _chart_measure(results: Results, measure: Measure, title: str) -> charts.Curves | None:
    by_arm = []
    for arm in results.arms:
        done = [
            (c, o)
            for c in results.cases
            if (o := results.outcomes.get((arm, c.id))) and not o.failure
        ]
        by_arm.append((arm, [got for got, could in (measure.of(c, o) for c, o in done) if could]))
    return charts.chart_spread(title, by_arm, measure.unit)


def _find_estimates(summaries: Sequence[Summary], measure: Measure) -> Iterator[Estimate | None]:
    return (summary.estimates.get(measure.key) for summary in summaries)


def _format_cell(value: Estimate | None, measure: Measure) -> str:
    return "–" if value is None else format_estimate(value, measure.unit)


def _count_rows(summaries: Sequence[Summary]) -> Iterator[tuple[str, list[str]]]:
    seconds = [(s.median_s, s.p95_s) for s in summaries]
    yield (
        "latency, median / p95",
        ["–" if a is None or b is None else f"{a:.2f} / {b:.2f} s" for a, b in seconds],
    )
    yield "abstained", [f"{s.abstained} of {s.asked - s.failed}" for s in summaries]
    yield "failed", [str(s.failed) for s in summaries]
    yield "leaks", [str(s.leaks) for s in summaries]
