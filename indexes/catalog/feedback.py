"""What people say of the answers that they got. It goes when the record of the answer goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, delete, insert, select

from indexes.catalog.access import confirm
from indexes.catalog.audit.changes import record_change
from indexes.catalog.database import Database
from indexes.catalog.schema import feedback
from indexes.model import Actor, Principal

Verdict = Literal["up", "down"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What somebody says of an answer, in words of their own."""

    verdict: Verdict
    reason: str | None = None
    expected: str | None = None  # what the answer should have said
    question: str | None = None  # that was asked, if it is to be kept with this


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenOpinion(Opinion):
    """An opinion that is kept."""

    answer_id: str
    who: str
    answered_at: datetime
    given_at: datetime


class Feedback:
    """Opinions, one for each answer. Whether it was the caller's answer, the caller's side knows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(
        self,
        answer_id: str,
        answered_at: datetime,
        opinion: Opinion,
        principal: Principal,
        *,
        by: Actor,
    ) -> GivenOpinion:
        """Keeps it in the place of what was said of the answer before. Raises NotAuthenticated."""
        given = GivenOpinion(
            answer_id=answer_id,
            who=principal.name,
            answered_at=answered_at,
            given_at=datetime.now(UTC),
            verdict=opinion.verdict,
            reason=opinion.reason,
            expected=opinion.expected,
            question=opinion.question,
        )
        values = {column.name: getattr(given, column.name) for column in feedback.c}
        with self._database.writing(by) as connection:
            confirm(connection, principal)
            connection.execute(delete(feedback).where(feedback.c.answer_id == answer_id))
            connection.execute(insert(feedback).values(values))
            told = {"verdict": given.verdict, "question_kept": given.question is not None}
            record_change(connection, "feedback.given", answer_id, after=told)
        return given

    def withdraw(self, answer_id: str, principal: Principal, *, by: Actor) -> None:
        """Nothing is kept of what was said of the answer. Raises NotAuthenticated."""
        gone = delete(feedback).where(feedback.c.answer_id == answer_id)
        with self._database.writing(by) as connection:
            confirm(connection, principal)
            if connection.execute(gone).rowcount:
                record_change(connection, "feedback.withdrawn", answer_id)

    def read(self, since: datetime | None = None, *, by: Actor) -> Sequence[GivenOpinion]:
        """For operators: all that was given from this time on, oldest first. That it was read is
        recorded.
        """
        wanted = select(feedback).order_by(feedback.c.given_at, feedback.c.answer_id)
        if since is not None:
            wanted = wanted.where(feedback.c.given_at >= since)
        with self._database.writing(by) as connection:
            found = [_opinion_of(row) for row in connection.execute(wanted)]
            record_change(connection, "feedback.read", "feedback", after={"opinions": len(found)})
        return found


def prune_feedback(connection: Connection, before: datetime) -> int:
    """Removes what was said of answers from before this time. Returns how many opinions."""
    old = delete(feedback).where(feedback.c.answered_at < before)
    return connection.execute(old).rowcount


def _opinion_of(row: Row[Any]) -> GivenOpinion:
    return GivenOpinion(**{column.name: getattr(row, column.name) for column in feedback.c})
