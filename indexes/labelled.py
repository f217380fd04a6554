"""Sets of labelled documents and questions on disk: `clearance ingest-set` loads them, `clearance
eval` asks them.

    corpus.jsonl       documents: _id, title, text, lang
    acl.jsonl          who may read them: doc_id, groups
    users.jsonl        people: user_id, groups
    queries.jsonl      questions: _id, text, answerable, answers
    qrels.tsv          which document answers which question: query-id, corpus-id, score
    acl_queries.jsonl  who asks what: query_id, user_id, expect, visible_relevant

Each `.jsonl` may be gzipped (`.jsonl.gz`).
"""

import gzip
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError

from indexes.errors import BadInput, BadPrincipal
from indexes.model import PUBLIC
from indexes.principals import check_principal, user_name

_SHOWN = 5  # problems of one file that are told


class LabelledRow(BaseModel):
    """One line of a file. Fields that only other programs use are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class LabelledText(LabelledRow):
    id: StrictStr = Field(alias="_id", min_length=1, max_length=1_000)
    text: StrictStr
    title: StrictStr = ""
    lang: StrictStr | None = Field(None, max_length=16)


class Access(LabelledRow):
    # what were passed over here could be a deny
    model_config = ConfigDict(extra="forbid", frozen=True)

    doc_id: StrictStr
    groups: tuple[StrictStr, ...]


class Person(LabelledRow):
    user_id: StrictStr
    groups: tuple[StrictStr, ...]


class Query(LabelledRow):
    id: StrictStr = Field(alias="_id", min_length=1)
    text: StrictStr
    answerable: StrictBool
    answers: tuple[StrictStr, ...] = ()


class LabelledQuestion(LabelledRow):
    query_id: StrictStr
    user_id: StrictStr
    expect: Literal["answer", "abstain"]
    visible_relevant: tuple[StrictStr, ...]


R = TypeVar("R", bound=BaseModel)


def find_file(folder: Path, name: str) -> Path | None:
    """The file of that name, gzipped or not. If None, the set has none."""
    for ending in (".jsonl", ".jsonl.gz"):
        if (file := folder / f"{name}{ending}").is_file():
            return file
    return None


def require_file(folder: Path, name: str) -> Path:
    """Raises BadInput if the set has no such file."""
    if found := find_file(folder, name):
        return found
    raise BadInput(
        f"{folder} has no {name}.jsonl or {name}.jsonl.gz.",
        remedy="Name the folder of a labelled set.",
    )


def read_rows(file: Path, shape: type[R], key: Callable[[R], Hashable] | None = None) -> list[R]:
    """Every line of a JSON Lines file. Raises BadInput naming the lines that are wrong.

    key: gives what no two rows may share.
    """
    found: list[R] = []
    wrong: list[str] = []
    seen: set[Hashable] = set()
    for number, line in _lines(file):
        try:
            row = shape.model_validate_json(line)
        except ValidationError as error:
            wrong.append(f"line {number}: {_describe_errors(error)}")
            continue
        name = number if key is None else key(row)
        if name in seen:
            wrong.append(f"line {number}: {ascii(name)[:80]} was there before")
        seen.add(name)
        found.append(row)
    refuse_lines(file, wrong)
    return found


def refuse_lines(file: Path, wrong: list[str]) -> None:
    """Raises BadInput with the first of these problems, if there are any."""
    if wrong:
        more = f" … and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise BadInput(
            f"{file.name}, {'; '.join(wrong[:_SHOWN])}{more}.", remedy="Correct these lines."
        )


def read_judgements(file: Path) -> dict[str, frozenset[str]]:
    """Documents that answer, by question. Raises BadInput."""
    found: dict[str, set[str]] = {}
    wrong: list[str] = []
    for number, line in _lines(file):
        fields = line.rstrip("\r\n").split("\t")
        if number == 1 and fields[-1] == "score":
            continue
        if len(fields) != 3 or not fields[2].strip().lstrip("-").isdecimal():
            wrong.append(
                f"line {number}: it is not query-id, corpus-id and score with tabs between"
            )
        elif int(fields[2]) > 0:
            found.setdefault(fields[0], set()).add(fields[1])
    refuse_lines(file, wrong)
    return {query: frozenset(documents) for query, documents in found.items()}


def check_readers(groups: Iterable[str]) -> frozenset[str]:
    """Principals as a set names them: a bare name is a group's. Raises BadPrincipal."""
    return frozenset(
        check_principal(
            name if name == PUBLIC or name.startswith(("user:", "group:")) else f"group:{name}"
        )
        for name in groups
    )


def read_access(file: Path) -> dict[str, frozenset[str]]:
    """Who may read each document. Raises BadInput."""
    return _check_all_readers(
        file,
        {row.doc_id: row.groups for row in read_rows(file, Access, key=lambda row: row.doc_id)},
    )


def read_people(file: Path) -> dict[str, frozenset[str]]:
    """Groups by user, both as principals. Raises BadInput."""
    given = {
        user_name(row.user_id): row.groups
        for row in read_rows(file, Person, key=lambda row: row.user_id)
    }
    groups = {
        user: names - {user, PUBLIC} for user, names in _check_all_readers(file, given).items()
    }
    refuse_lines(
        file,
        [
            f"{user} is given the rights of another user"
            for user, names in groups.items()
            if any(name.startswith("user:") for name in names)
        ],
    )
    return groups


def _check_all_readers(file: Path, given: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    wrong: list[str] = []
    for name, groups in given.items():
        try:
            found[name] = check_readers(groups)
        except BadPrincipal as error:
            wrong.append(f"{name}: {error.detail}")
    refuse_lines(file, wrong)
    return found


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines with something on them, numbered from 1.

    Raises BadInput for a file that cannot be read.
    """
    try:
        with _open(file) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{file} cannot be read: {error}.") from error


@contextmanager
def _open(file: Path) -> Iterator[IO[str]]:
    if file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="utf-8-sig") as lines:
            yield lines
    else:
        with file.open(encoding="utf-8-sig") as lines:
            yield lines


def _describe_errors(error: ValidationError) -> str:
    return ", ".join(
        f"{'.'.join(map(str, e['loc'])) or 'the line'}: {e['msg']}" for e in error.errors()[:3]
    )
