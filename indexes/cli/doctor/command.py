"""`clearance doctor`: prints what the checks find."""

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import typer

from indexes import settings as configuration
from indexes.cli.common import Json, print_result
from indexes.cli.terminal import printable
from indexes.errors import ClearanceError

if TYPE_CHECKING:  # this module is loaded for every command
    from indexes.cli.doctor.findings import Check, Findings

GROUP = "clearance.checks"
COULD_NOT_LOOK = 2
_SIGNS = {"good": "ok", "advice": "advice", "wrong": "WRONG", "unknown": "?"}


def doctor(as_json: Json = False) -> None:
    """Look at this installation and tell what to do. Changes nothing.

    Exit codes: 0 nothing is wrong, 1 something is, 2 something could not be looked at.
    """
    from indexes.cli.doctor.findings import exit_code_of, run_checks

    try:
        settings = configuration.load()
    except ClearanceError as error:
        told = {"check": "settings", "state": "unknown", "told": str(error), "remedy": error.remedy}
        print_result({"findings": [told]}, _lines_of([told]), as_json)
        raise typer.Exit(COULD_NOT_LOOK) from error
    found = run_checks(find_checks(), settings)
    told_all = list(_as_json(found))
    print_result({"findings": told_all}, _lines_of(told_all), as_json)
    sys.stdout.flush()
    raise typer.Exit(exit_code_of(each for some in found.values() for each in some))


def find_checks() -> "Sequence[Check]":
    """Those of all packages that are installed: no package imports another."""
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return [check for entry in entries for check in entry.load()]


def _as_json(found: "Findings") -> Iterator[dict[str, Any]]:
    for check, findings in found.items():
        for each in findings:
            yield {
                "check": check,
                "state": each.state,
                "told": each.told,
                "remedy": each.remedy,
            }


def _lines_of(findings: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for each in findings:
        lines.append(printable(f"{_SIGNS[each['state']]:6} {each['check']:12} {each['told']}"))
        if each["remedy"]:
            lines.append(printable(f"{'':20}{each['remedy']}"))
    return lines
