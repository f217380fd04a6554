"""The kinds of long work that wait in the queue, and what a job of each kind holds.

Whoever asks for the work and whoever does it take both from here, so that neither knows the other:
what only the side of the files can do may be asked for by a command or over HTTP.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from indexes.errors import BadInput

INGEST = "ingest"
"""Done by `clearance worker`."""

UPLOAD = "upload"
"""Puts uploaded bytes into their place and reads them. Done by `clearance worker`."""

REMOVE_FILE = "remove-file"
"""Removes the file of a document that was deleted. Done by `clearance worker`."""

REBUILD = "rebuild"
"""Done by every running service."""


class _Request(BaseModel):
    """Checked when it is made, and again when the job that holds it is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, given: Any) -> Self:
        """Raises BadInput, naming what is wrong."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise BadInput(f"{wrong}.") from error

    def payload(self) -> dict[str, Any]:
        """As a job holds it."""
        return self.model_dump(mode="json")


class IngestRequest(_Request):
    """What to ingest: the arguments of the command, and the payload of a job."""

    paths: tuple[Path, ...] = Field(min_length=1)  # absolute: whoever does it has another folder
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    collection: str = Field("default", min_length=1, max_length=200)
    manifest: Path | None = None  # absolute
    prune: bool = False
    prune_anyway: bool = False
    source: str | None = None  # the one path is the root of this source, wherever it was seen last
    dry_run: bool = False

    @field_validator("paths", "manifest")
    @classmethod
    def _absolute(cls, given: tuple[Path, ...] | Path | None) -> tuple[Path, ...] | Path | None:
        paths = given if isinstance(given, tuple) else () if given is None else (given,)
        if relative := next((path for path in paths if not path.is_absolute()), None):
            raise ValueError(f"{relative} is not absolute")
        return given


class PathRequest(_Request):
    """Which file an upload or a deletion is about; everything else stands in the catalog."""

    uri: str
    path: str  # as readers see it


class RebuildRequest(_Request):
    """What to build the indexes with."""

    model: str | None = None  # to embed anew with; None: from the vectors that are stored
    fingerprint: str | None = None  # of the vectors that are wanted; None: what the settings give
    least_overlap: float | None = None  # with what the former vectors find; None: by the settings
    anyway: bool = False  # switch whatever the comparison says
