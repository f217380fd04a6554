"""The command `clearance`: finds its sub-commands among the installed packages, so that no package
imports another.
"""

import gc
import logging
import os
import sys
from importlib.metadata import entry_points

# before any library that would otherwise call home is imported
os.environ.setdefault("DO_NOT_TRACK", "1")

import typer

from indexes.cli.common import exit_code, print_error
from indexes.errors import ClearanceError

GROUP = "clearance.commands"

app = typer.Typer(
    name="clearance",
    help="Ask your documents. Get answers made only of what you are cleared to read.",
    no_args_is_help=True,
    # locals may hold text that not every reader of a log may read
    pretty_exceptions_show_locals=False,
)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 done in part or failed, 2 wrong use."""
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    gc.disable()  # all that is imported stays; to look for garbage in it takes a tenth of the start
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        app.add_typer(entry.load())
    gc.freeze()
    gc.enable()
    try:
        app()
    except ClearanceError as error:
        print_error(error)
        raise SystemExit(exit_code(error)) from error
