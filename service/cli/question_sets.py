"""Options of the commands that ask a set of questions: `clearance eval` and `clearance abstention
calibrate`.
"""

from pathlib import Path
from typing import Annotated

import typer

from indexes.errors import BadInput
from indexes.model import Mode
from indexes.settings import Settings

SetArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SET", help="A labelled set's folder, or a .jsonl file.", show_default=False
    ),
]
AskerOption = Annotated[
    str | None, typer.Option("--as", metavar="USER", help="Ask everything as this user.")
]
QuestionsOption = Annotated[
    int | None,
    typer.Option(min=1, help="A sample, with and without answer in the set's proportions."),
]
PassageCountOption = Annotated[
    int | None, typer.Option("--k", min=1, help="Passages; default: CLEARANCE_DEFAULT_K.")
]
SearchModeOption = Annotated[Mode, typer.Option(help="How passages are found.")]
PeopleOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The set's people, to check what was shown by the set itself."
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of everything that is drawn by chance.")]


def passages_to_find(k: int | None, settings: Settings) -> int:
    """How many passages each question searches for. Raises BadInput if the settings allow fewer."""
    wanted = k or settings.default_k
    if wanted > settings.max_k:
        raise BadInput(
            f"{wanted} passages are more than {settings.max_k}.", remedy="See CLEARANCE_MAX_K."
        )
    return wanted
