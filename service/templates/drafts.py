"""A template as somebody writes it, in a YAML file or a request, and everything that is checked
before it is saved.
"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from indexes.catalog.template_choice import TemplateText
from indexes.errors import BadInput
from indexes.text.scripts import Script
from service.templates.language import (
    MAX_SOURCE,
    VARIABLES,
    check_part,
    count_loops,
    fill_template,
    find_parts_always_shown,
)
from service.templates.template import BUILT_IN, PromptStyle

MAX_FILE = 100_000  # characters
SAMPLE_BOUNDARY = "data-0000-0000-0000"
_WORD = re.compile(r"\w")

Source = Annotated[StrictStr, Field(max_length=MAX_SOURCE)]
Variable = Literal["question", "passages", "history", "boundary", "no_answer"]


class Draft(BaseModel):
    """One version of a template before it is saved. `examples/templates/` explains each field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    style: PromptStyle
    language: Script
    variables: Annotated[list[Variable], Field(max_length=len(VARIABLES))]
    system: Source = ""
    user: Source
    no_answer: Annotated[StrictStr, Field(min_length=1, max_length=500)]
    stop: Annotated[
        list[Annotated[StrictStr, Field(min_length=1, max_length=64)]], Field(max_length=8)
    ] = []

    def build_text(self) -> TemplateText:
        """What can be saved. Raises BadInput with what is wrong, why, and what to do."""
        self._check_parts()
        self._check_frame()
        for history in ((), _TURNS):
            for passages in (_PASSAGES[:1], _PASSAGES):
                self._check_filled_text(passages, history)
        return TemplateText(
            variables=tuple(sorted(self.variables)),
            system=self.system,
            user=self.user,
            no_answer=self.no_answer.strip(),
            stop=tuple(self.stop),
        )

    def _check_parts(self) -> None:
        """Each part uses what it may, and what was declared."""
        declared = frozenset(self.variables)
        used = check_part("user", self.user, declared) | check_part(
            "system", self.system, declared & {"no_answer"}
        )
        if unused := sorted(declared - used):
            raise BadInput(
                f"`variables` declares {', '.join(unused)}, which nothing uses.",
                remedy="Take it out.",
            )
        if "no_answer" not in used:
            raise BadInput(
                "The model is not told what to say if the passages hold no answer.",
                remedy="Show {{ no_answer }}.",
            )
        if not _WORD.search(self.no_answer) or "\n" in self.no_answer.strip():
            raise BadInput(
                "`no_answer` is not one sentence.", remedy="Write one line with words in it."
            )
        if (self.style == "chat") != bool(self.system.strip()):
            raise BadInput(
                "A chat template has a `system` part, a completion template has none: a base model reads one text.",
                remedy="Write `system`, or put everything into `user`.",
            )

    def _check_frame(self) -> None:
        """The passages always stand in the user part, between two boundaries, and nowhere else."""
        always = find_parts_always_shown(self.user)
        if "question" not in always:
            raise BadInput(
                "In `user`: the question is not always shown.",
                remedy="Show {{ question }} outside of `if`.",
            )
        if always.count("for passages") != 1 or count_loops(self.user, "passages") != 1:
            raise BadInput(
                "In `user`: the passages do not stand in exactly one loop outside of every `if`.",
                remedy="Write one: {% for passage in passages %} … {% endfor %}.",
            )
        if "passages.n" not in always or not {"passages.text", "passages.line"} & set(always):
            raise BadInput(
                "In `user`: a passage is shown without its number or its text.",
                remedy="Show passage.n and passage.text (or passage.line) in the loop, outside of `if`.",
            )
        at = always.index("for passages")
        if "boundary" not in always[:at] or "boundary" not in always[at:]:
            raise _boundary_error()

    def _check_filled_text(
        self, passages: tuple[dict[str, Any], ...], history: tuple[dict[str, str], ...]
    ) -> None:
        given = {"question": _QUESTION, "boundary": SAMPLE_BOUNDARY, "no_answer": self.no_answer}
        said = fill_template(self.user, {**given, "passages": passages, "history": history})
        fill_template(self.system, {"no_answer": self.no_answer})
        lines = said.split("\n")
        marks = [place for place, line in enumerate(lines) if line == SAMPLE_BOUNDARY]
        holding = [
            place
            for place, line in enumerate(lines)
            if any(passage["line"] in line for passage in passages)
        ]
        if len(holding) != len(passages):
            raise BadInput(
                "In `user`: a passage is shown twice, or not as it is.",
                remedy="Show it once, unchanged.",
            )
        if not any(mark < holding[0] for mark in marks) or not any(
            mark > holding[-1] for mark in marks
        ):
            raise _boundary_error()
        if any(holding[0] < mark < holding[-1] for mark in marks):
            raise BadInput(
                "In `user`: the boundary stands between passages.",
                remedy="Show it outside of the loop.",
            )


def read_draft(path: Path, **instead: str | None) -> Draft:
    """The draft in a YAML file, with other values for some fields. Raises BadInput."""
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > MAX_FILE:
            raise BadInput(
                f"{path} has {len(text)} characters.", remedy=f"A template has at most {MAX_FILE}."
            )
        given = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {error}.", remedy="Name a YAML file in UTF-8."
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInput(f"{path} is not YAML: {error}", remedy="See examples/templates/.") from error
    if not isinstance(given, dict):
        raise BadInput(f"{path} holds no fields.", remedy="See examples/templates/.")
    try:
        return Draft.model_validate(
            given | {name: value for name, value in instead.items() if value is not None}
        )
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise BadInput(f"{path}: {wrong}", remedy="See examples/templates/.") from error


def refuse_built_in_name(name: str) -> None:
    """Raises BadInput for the names of templates that come with the service."""
    if any(template.name == name for template in BUILT_IN):
        raise BadInput(
            f"{name} comes with the service and stays as it is.", remedy="Save under another name."
        )


def _boundary_error() -> BadInput:
    return BadInput(
        "In `user`: the passages do not stand between two lines that hold the boundary and nothing else.",
        remedy="Put {{ boundary }} on a line of its own before and after the loop, outside of `if`.",
    )


_QUESTION = "Who keeps the key of the north lamp?"
_TURNS = (
    {"role": "user", "text": "Is there a lamp?"},
    {"role": "assistant", "text": "There are two [1]."},
)
_PASSAGES: tuple[dict[str, Any], ...] = tuple(
    {"n": n, "title": f"Sample {n}", "place": place, "text": text, "line": text}
    for n, (place, text) in enumerate(
        (
            ("", f"sampled {'words ' * 200}one"),
            ("Part 2, page 3", f"sampled {'words ' * 100}two"),
            ("", "sampled three"),
        ),
        start=1,
    )
)


def format_as_yaml(style: str, language: str, text: TemplateText, about: str) -> str:
    """The template as the YAML that `read_draft` reads, under a comment that says what it is."""
    fields: dict[str, Any] = {"style": style, "language": language, **asdict(text)}
    fields |= {"variables": list(text.variables), "stop": list(text.stop)}
    written = yaml.dump(
        fields, Dumper=_BlockDumper, sort_keys=False, allow_unicode=True, width=10_000
    )
    return f"# {about}\n{written.rstrip()}"


class _BlockDumper(yaml.SafeDumper):
    """Writes texts of several lines as they are read."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text.strip() else '"' if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_BlockDumper.add_representer(str, _represent_text)
