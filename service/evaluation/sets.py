"""Question sets as cases: the folder of a labelled set, or a JSON Lines file of one's own."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictStr
from pydantic_core import PydanticCustomError

from indexes import labelled
from indexes.errors import BadInput
from indexes.labelled import LabelledQuestion, Query
from indexes.model import PUBLIC
from indexes.principals import user_name
from service.answering.prompt import Turn
from service.evaluation.cases import Case

Readable = Callable[[str], frozenset[str]]  # the paths that a user may read, by the catalog
# where people are looked for, from the set's folder
BESIDE = "users.jsonl", "../../acl/users.jsonl"
_NAMED = 5  # unknown users that are told by name
MAX_TURNS = 1_000  # before one question, as /ask takes them


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredAccess:
    """Who may read what by the set's own account, to check what was shown against something that is
    not the catalog.
    """

    readers: dict[str, frozenset[str]]  # by document
    groups: dict[str, frozenset[str]]  # by user

    def forbids(self, user: str, path: str) -> bool:
        """Whether this user may not read a document; documents that the set does not know are none
        of its business.
        """
        allowed = self.readers.get(path)
        return allowed is not None and allowed.isdisjoint(
            {user, PUBLIC, *self.groups.get(user, ())}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """Questions to ask, and what is known about them."""

    name: str
    cases: tuple[Case, ...]
    total: int  # of which these are a sample
    textless: int = 0  # rows without a question, left out
    # questions that have an answer, in documents that the catalog lets their asker not read
    lost: int = 0
    declared_access: DeclaredAccess | None = None


def _check_said(content: str) -> str:
    if not content.strip():
        raise PydanticCustomError("empty", "The turn is empty")
    return content


class TurnLine(BaseModel):
    """One turn of the conversation before a question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["user", "assistant"]
    content: Annotated[StrictStr, AfterValidator(_check_said)]


def _check_begun(history: tuple[TurnLine, ...]) -> tuple[TurnLine, ...]:
    if history and history[0].role != "user":
        raise PydanticCustomError("not_begun", "It must begin with a turn of the user")
    return history


class QuestionLine(BaseModel):
    """One line of a file of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: StrictStr = Field(min_length=1)
    id: StrictStr | None = Field(None, min_length=1)
    answers: tuple[StrictStr, ...] = ()
    documents: tuple[StrictStr, ...] = ()
    answerable: StrictBool | None = None
    user: StrictStr | None = None
    history: Annotated[tuple[TurnLine, ...], AfterValidator(_check_begun)] = Field(
        (), max_length=MAX_TURNS
    )

    @property
    def expects_answer(self) -> bool:
        return bool(self.answers or self.documents) if self.answerable is None else self.answerable

    @property
    def mistake(self) -> str | None:
        if not self.question.strip():
            return "the question is empty"
        if self.answerable is None and not self.answers and not self.documents:
            return "it has no answers, no documents and does not say whether it is answerable"
        if self.answerable is False and self.answers:
            return "it has answers and says that there is none"
        return None


def load_set(
    place: Path,
    readable: Readable,
    known: Collection[str],
    *,
    user: str | None = None,
    users: Path | None = None,
) -> QuestionSet:
    """Every question of a set, with what its asker may read of what answers it.

    user: asks everything, instead of whom the set names. users: the people of a labelled set.
    known: the catalog's users. Raises BadInput, for users that are not known too.
    """
    asker = None if user is None else user_name(user)
    cases, declared = (
        _read_folder(place, asker, users) if place.is_dir() else (_read_file(place, asker), None)
    )
    textless = sum(not case.question.strip() for case in cases)  # published sets have such rows
    cases = [case for case in cases if case.question.strip()]
    if not cases:
        raise BadInput(f"{place} holds no questions.")
    _check_users({case.user for case in cases}, known)
    paths = cache(readable)
    seen = tuple(_limit_to_readable(case, paths(case.user)) for case in cases)
    lost = sum(
        before.answerable and not after.answerable
        for before, after in zip(cases, seen, strict=True)
    )
    if lost and asker is None and not any(case.documents for case in seen):
        raise BadInput(
            f"Of the documents that answer {place.name} the catalog holds none that its askers may read.",
            remedy="Ingest them first: clearance ingest-set FOLDER, or clearance ingest.",
        )
    name = place.resolve().name if place.is_dir() else place.stem
    return QuestionSet(
        name=name,
        cases=seen,
        total=len(seen),
        textless=textless,
        lost=0 if asker else lost,
        declared_access=declared,
    )


def draw_sample(given: QuestionSet, size: int | None, seed: int) -> QuestionSet:
    """At most so many of the questions, those with and without an answer in the proportions of the
    set.
    """
    if size is None or size >= len(given.cases):
        return given
    chance = random.Random(seed)
    yes, no = ([case for case in given.cases if case.answerable is kind] for kind in (True, False))
    wanted = round(size * len(yes) / len(given.cases))
    chosen = [*chance.sample(yes, wanted), *chance.sample(no, size - wanted)]
    chance.shuffle(chosen)
    return replace(given, cases=tuple(chosen))


def _read_folder(
    folder: Path, asker: str | None, users: Path | None
) -> tuple[list[Case], DeclaredAccess | None]:
    rows = labelled.read_rows(
        labelled.require_file(folder, "queries"), Query, key=lambda row: row.id
    )
    queries = {row.id: row for row in rows}
    declared = _read_declared_access(folder, users)
    if asker is not None:
        return _read_cases_for(folder, queries, asker), declared
    file = labelled.find_file(folder, "acl_queries")
    if file is None:
        raise BadInput(
            f"Nothing says who asks the questions of {folder.name}.", remedy="Pass --as USER."
        )
    asked = labelled.read_rows(file, LabelledQuestion, key=lambda row: (row.query_id, row.user_id))
    labelled.refuse_lines(
        file, [f"{row.query_id} is not in queries" for row in asked if row.query_id not in queries]
    )
    return [_labelled_case(queries[row.query_id], row) for row in asked], declared


def _labelled_case(query: Query, row: LabelledQuestion) -> Case:
    answerable = row.expect == "answer"
    return Case(
        id=f"{query.id}/{row.user_id}",
        question=query.text,
        user=user_name(row.user_id),
        answerable=answerable,
        answers=query.answers if answerable else (),
        documents=frozenset(row.visible_relevant),
    )


def _read_cases_for(folder: Path, queries: dict[str, Query], asker: str) -> list[Case]:
    relevant = folder / "qrels.tsv"
    if not relevant.is_file():
        raise BadInput(f"{folder} has no qrels.tsv.", remedy="Name the folder of a labelled set.")
    answering = labelled.read_judgements(relevant)
    return [
        Case(
            id=query.id,
            question=query.text,
            user=asker,
            answerable=query.answerable,
            answers=query.answers if query.answerable else (),
            documents=answering.get(query.id, frozenset()),
        )
        for query in queries.values()
    ]


def _read_file(file: Path, asker: str | None) -> list[Case]:
    if not file.is_file():
        raise BadInput(
            f"{file} cannot be found.", remedy="Name a folder or a .jsonl file of questions."
        )
    rows = labelled.read_rows(file, QuestionLine)
    labelled.refuse_lines(
        file, [f"question {n}: {row.mistake}" for n, row in enumerate(rows, start=1) if row.mistake]
    )
    ids = [row.id or f"#{n}" for n, row in enumerate(rows, start=1)]
    labelled.refuse_lines(
        file, [f"the id {name!a} stands more than once" for name in _find_repeated(ids)]
    )
    without = sum(row.user is None for row in rows)
    if asker is None and without:
        raise BadInput(
            f"{without} of {len(rows)} questions do not say who asks them.",
            remedy='Pass --as USER, or add "user".',
        )
    return [
        _case_of_line(name, row, asker or user_name(row.user or ""))
        for name, row in zip(ids, rows, strict=True)
    ]


def _case_of_line(name: str, row: QuestionLine, asker: str) -> Case:
    return Case(
        id=name,
        question=row.question,
        user=asker,
        answerable=row.expects_answer,
        answers=row.answers,
        documents=frozenset(row.documents) if row.expects_answer else frozenset(),
        history=tuple(Turn(turn.role, turn.content) for turn in row.history),
    )


def _limit_to_readable(case: Case, readable: frozenset[str]) -> Case:
    """The case with only those documents that its asker may read; without them it has no answer for
    him.
    """
    documents = case.documents & readable
    if documents == case.documents:
        return case
    answers = case.answers if documents else ()
    return replace(
        case, documents=documents, answerable=case.answerable and bool(documents), answers=answers
    )


def _read_declared_access(folder: Path, users: Path | None) -> DeclaredAccess | None:
    access = labelled.find_file(folder, "acl")
    found = users or next(
        (file for name in BESIDE if (file := folder.resolve() / name).is_file()), None
    )
    if access is None or found is None:
        return None
    return DeclaredAccess(readers=labelled.read_access(access), groups=labelled.read_people(found))


def _check_users(users: Iterable[str], known: Collection[str]) -> None:
    unknown = sorted(set(users) - set(known))
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise BadInput(
            f"The catalog does not know {', '.join(unknown[:_NAMED])}{more}.",
            remedy="Add them: clearance users add NAME, or clearance ingest-set FOLDER --users FILE.",
        )


def _find_repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
