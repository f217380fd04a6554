"""What came of asking, kept in a private file: an interrupted measurement goes on, a repeated one
costs nothing.
"""

import errno
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from indexes import durable
from indexes.errors import BadInput, StorageFull
from indexes.private_files import private_folder

FORM = 2
"""Raise it when an outcome is counted otherwise: every question is then asked anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """One question as one arm answered it, with what measuring needs of the answer."""

    text: str
    abstained: bool
    cited: tuple[str, ...] = ()  # paths, in the order of the text, each once
    shown: tuple[str, ...] = ()  # paths of all that the model saw, each once
    # paths of passages that the asker could not open afterwards: must be empty
    leaked: tuple[str, ...] = ()
    prompt_tokens: int | None = None  # None if no model was called
    answer_tokens: int | None = None
    seconds: float = 0.0
    run: str = ""  # in which it was asked: times of different runs say nothing about each other
    template: str | None = None
    model: str | None = None
    cut_off: bool = False
    # sentences of a model's answer that claim something, and how many of them the passages support
    claims: int = 0
    supported_claims: int = 0
    failure: str | None = None  # there is no answer, and this is why


_OUTCOME = TypeAdapter(CaseOutcome)


def outcome_key(**conditions: Any) -> str:
    """The name of one outcome: the same if everything that can change an answer is the same."""
    given = json.dumps({"form": FORM, **conditions}, sort_keys=True, default=str)
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()


class OutcomeFile:
    """Outcomes by key: a file of lines that is only added to.

    Lines that cannot be read are as if not there.
    """

    def __init__(self, file: Path) -> None:
        """Raises BadInput if there can be no such file."""
        self._known: dict[str, CaseOutcome] = {}
        try:
            private_folder(file.parent)
            self._descriptor = os.open(
                file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            os.fchmod(self._descriptor, 0o600)
            with os.fdopen(self._descriptor, "rb", closefd=False) as lines:
                whole = self._read(lines.read())
        except OSError as error:
            raise BadInput(
                f"{file} cannot be used: {error.strerror}.", remedy="Name another folder: --out."
            ) from error
        if not whole:
            self._write(b"\n")  # closes the line that a killed run began

    def get(self, name: str) -> CaseOutcome | None:
        return self._known.get(name)

    def put(self, name: str, outcome: CaseOutcome) -> None:
        """Raises StorageFull, BadInput."""
        self._known[name] = outcome
        self._write(json.dumps({"key": name, **asdict(outcome)}).encode() + b"\n")

    def _read(self, data: bytes) -> bool:
        """Takes in every line; returns whether the last one is complete."""
        for line in data.split(b"\n"):
            try:
                row = json.loads(line)
                name = row.pop("key")
                self._known[name] = _OUTCOME.validate_python(row)
            except (ValueError, ValidationError, KeyError, AttributeError, TypeError):
                continue
        return data.endswith(b"\n") or not data

    def _write(self, line: bytes) -> None:
        try:
            os.write(self._descriptor, line)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull from error
            raise BadInput(
                f"Answers cannot be kept: {error.strerror}.", remedy="Name another folder: --out."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)


def write_private(file: Path, text: str) -> None:
    """Replaces the file, readable by its owner alone. Raises BadInput."""
    try:
        private_folder(file.parent)
        durable.write(file, text.encode("utf-8", "replace"))
    except OSError as error:
        raise BadInput(
            f"{file} cannot be written: {error.strerror}.", remedy="Name another file."
        ) from error
