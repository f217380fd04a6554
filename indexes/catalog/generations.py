"""Which embedding model the derived indexes are built for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, and_, case, delete, exists, func, insert, or_, select, update

from indexes.catalog.audit.changes import record_change
from indexes.catalog.changes import note
from indexes.catalog.database import Database
from indexes.catalog.jobs import cancel_job, find_job, live_jobs
from indexes.catalog.prepared import Prepared, decode_json
from indexes.catalog.schema import centroids, documents, generations, jobs, vectors
from indexes.errors import Busy, Conflict, IndexDamaged, ModelMismatch, NotFound
from indexes.model import Actor, IndexGeneration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIELDS = ("id", "model", "fingerprint", "dimension", "state")
_IN_FORCE = select(*(generations.c[name] for name in _FIELDS)).where(
    generations.c.state == "active"
)
_ACTIVE = Prepared(_IN_FORCE)
_ACTIVE_WITH_SETTINGS = Prepared(_IN_FORCE.add_columns(generations.c.settings))

_DROPPED_TOGETHER = 1_000  # documents whose vectors go in one transaction
_UNDER_CONSTRUCTION = generations.c.state.in_(("building", "ready"))

Standing = Literal["active", "building", "ready", "waiting", "abandoned", "retired"]
"""What becomes of a generation. waiting: the job that builds it waits for a worker. abandoned: there
is no such job any more.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFacts:
    """For operators only: it counts what no single caller may see."""

    id: int
    model: str
    dimension: int
    standing: Standing
    created_at: datetime
    activated_at: datetime | None  # when searches began to use it, the last time
    documents: int  # with vectors of it
    of_documents: int  # that there are
    vectors: int
    bytes: int
    job: str | None  # that builds it or built it

    @property
    def complete(self) -> bool:
        """Whether every document has vectors of it."""
        return self.documents == self.of_documents


def active_generation(connection: Connection) -> IndexGeneration | None:
    """The generation that searches use, if there is one yet."""
    for stored in _ACTIVE.rows(connection, {}):
        return _generation_of(dict(zip(_FIELDS, stored, strict=True)))
    return None


def writable_generations(connection: Connection) -> tuple[IndexGeneration, ...]:
    """The active generation first, then those that somebody is building: a new document needs
    vectors for each.

    An abandoned one gets none, or each document would be embedded twice for ever. Whoever takes it
    up makes what it lacks.
    """
    built = and_(_UNDER_CONSTRUCTION, generations.c.job_id.in_(live_jobs()))
    wanted = (
        select(generations)
        .where(or_(generations.c.state == "active", built))
        .order_by(generations.c.state, generations.c.id)
    )
    return tuple(_generation_of(row) for row in connection.execute(wanted).mappings())


def stored_centroids(
    connection: Connection, generation: IndexGeneration
) -> "NDArray[np.int8] | None":
    """The centroids of a generation's topics, shape (topics, dimension), once they are learnt."""
    import numpy as np

    codes = connection.scalar(
        select(centroids.c.codes).where(centroids.c.generation_id == generation.id)
    )
    return (
        None if codes is None else np.frombuffer(codes, np.int8).reshape(-1, generation.dimension)
    )


class Generations:
    """The builds of the derived indexes. At any time at most one of them is active."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self) -> IndexGeneration | None:
        """The generation that searches use, if there is one yet."""
        with self._database.reading() as connection:
            return active_generation(connection)

    def writable(self) -> tuple[IndexGeneration, ...]:
        """The generations that a new document needs vectors for, the active one first."""
        with self._database.reading() as connection:
            return writable_generations(connection)

    def find(self, generation_id: int) -> IndexGeneration:
        """Raises NotFound."""
        with self._database.reading() as connection:
            return _find(connection, generation_id)

    def former(self) -> IndexGeneration | None:
        """The one that was searched before the active one, if it was not dropped."""
        wanted = (
            select(generations)
            .where(generations.c.activated_at.is_not(None), generations.c.state != "active")
            .order_by(generations.c.activated_at.desc(), generations.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(wanted).mappings().first()
        return None if row is None else _generation_of(row)

    def facts(self) -> list[GenerationFacts]:
        """Every generation, the oldest first."""
        size = func.coalesce(func.sum(func.length(vectors.c.vectors)), 0)
        held = (
            select(vectors.c.generation_id, func.count().label("documents"), size.label("bytes"))
            .group_by(vectors.c.generation_id)
            .subquery()
        )
        rows = (
            select(generations, held.c.documents, held.c.bytes, jobs.c.state.label("job_state"))
            .add_columns(generations.c.job_id.in_(live_jobs()).label("live"))
            .outerjoin(held, held.c.generation_id == generations.c.id)
            .outerjoin(jobs, jobs.c.public_id == generations.c.job_id)
            .order_by(generations.c.id)
        )
        with self._database.reading() as connection:
            there = connection.scalar(select(func.count()).select_from(documents)) or 0
            found = connection.execute(rows).mappings().all()
        return [_facts_of(row, there) for row in found]

    def abandoned(self) -> tuple[IndexGeneration, ...]:
        """Those under construction that nobody is building: new documents get no vectors of them."""
        nobody = or_(generations.c.job_id.is_(None), generations.c.job_id.not_in(live_jobs()))
        wanted = select(generations).where(_UNDER_CONSTRUCTION, nobody).order_by(generations.c.id)
        with self._database.reading() as connection:
            return tuple(_generation_of(row) for row in connection.execute(wanted).mappings())

    def ensure(self, model: str, fingerprint: str, dimension: int, *, by: Actor) -> IndexGeneration:
        """The active generation, made now if there is none.

        Raises ModelMismatch if it is another model's.
        """
        active = self.active()
        if active is None:
            with self._database.writing(by) as connection:
                active = active_generation(connection)
                if active is None:
                    active = self._add(connection, model, fingerprint, dimension, "active")
                    record_change(
                        connection, "generation.activated", str(active.id), after={"model": model}
                    )
        if active.fingerprint != fingerprint:
            raise ModelMismatch(
                f"It holds vectors of {active.model} ({active.fingerprint[:12]}…),"
                f" the settings name {model} ({fingerprint[:12]}…).",
                remedy=f"To search on with them, set CLEARANCE_EMBEDDING_MODEL={active.model} (and"
                " CLEARANCE_EMBEDDING_BACKEND back, if it was changed), or"
                " CLEARANCE_EMBEDDING_FOLLOWS=catalog to start with the model of the catalog"
                f" always. To move to {model}, run: clearance rebuild --model {model}",
            )
        return active

    def begin(
        self, model: str, fingerprint: str, dimension: int, *, by: Actor, job: str | None = None
    ) -> IndexGeneration:
        """A generation under construction.

        One for the same vectors that was left unfinished or retired goes on. job: the public id of
        the job that builds it; it counts as abandoned as soon as no worker has that job. Raises Busy
        while another job builds it.
        """
        of_it = generations.c.fingerprint == fingerprint, generations.c.state != "active"
        with self._database.writing(by) as connection:
            live = select(generations.c.job_id).where(*of_it, generations.c.job_id.in_(live_jobs()))
            builder = connection.scalar(live)
            if builder not in (None, job):
                raise Busy(
                    f"The job {builder} builds these vectors.",
                    remedy=f"How far it is: clearance jobs show {builder}",
                )
            again = (
                update(generations)
                .where(*of_it)
                .values(state="building", job_id=job)
                .returning(generations)
            )
            row = connection.execute(again).mappings().first()
            if row is None:
                return self._add(connection, model, fingerprint, dimension, "building", job)
            note(connection, "generation")
            return _generation_of(row)

    def lay_aside(self, generation: IndexGeneration, *, by: Actor) -> None:
        """Its builder ends without having activated it. One that was searched before is retired again."""
        was_used = generations.c.activated_at.is_not(None)
        before = case((was_used, "retired"), else_="building")
        with self._database.writing(by) as connection:
            connection.execute(
                update(generations)
                .where(generations.c.id == generation.id, _UNDER_CONSTRUCTION)
                .values(state=before)
            )

    def announce(self, generation: IndexGeneration, *, by: Actor) -> None:
        """Complete: running services may load it, so that the switch takes them no time."""
        with self._database.writing(by) as connection:
            connection.execute(
                update(generations).where(generations.c.id == generation.id).values(state="ready")
            )

    def activate(self, generation: IndexGeneration, *, by: Actor) -> IndexGeneration:
        """One switch: from the next request on, searches use this generation; the former one is
        retired, and kept.

        Raises IndexDamaged while a document lacks vectors in it.
        """
        without = ~exists().where(
            vectors.c.document_id == documents.c.id, vectors.c.generation_id == generation.id
        )
        with self._database.writing(by) as connection:
            if connection.scalar(select(documents.c.id).where(without).limit(1)) is not None:
                raise IndexDamaged(
                    "A document has no vectors in the new generation yet.",
                    remedy="Go on embedding.",
                )
            retire = (
                update(generations).where(generations.c.state == "active").values(state="retired")
            )
            connection.execute(retire)
            chosen = (
                update(generations)
                .where(generations.c.id == generation.id)
                .values(state="active", activated_at=datetime.now(UTC))
            )
            row = connection.execute(chosen.returning(generations)).mappings().one()
            note(connection, "generation")
            told = {"model": generation.model, "fingerprint": generation.fingerprint}
            record_change(connection, "generation.activated", str(generation.id), after=told)
        return _generation_of(row)

    def centroids(self, generation: IndexGeneration) -> "NDArray[np.int8] | None":
        """The centroids of its topics, once they are learnt; they never change again."""
        with self._database.reading() as connection:
            return stored_centroids(connection, generation)

    def keep_centroids(
        self,
        generation: IndexGeneration,
        learnt: "NDArray[np.int8]",
        *,
        by: Actor,
    ) -> "NDArray[np.int8]":
        """Store what was learnt, unless another process was first.

        Returns those that count from now on.
        """
        with self._database.writing(by) as connection:
            there = stored_centroids(connection, generation)
            if there is None:
                added = insert(centroids).values(
                    generation_id=generation.id, codes=learnt.tobytes()
                )
                connection.execute(added)
        return learnt if there is None else there

    def request_rebuild(self, *, by: Actor) -> None:
        """Ask every process to build its derived indexes anew from the catalog."""
        with self._database.writing(by) as connection:
            note(connection, "rebuild")
            record_change(connection, "indexes.rebuild_asked", "indexes")

    def cancel(self, generation: IndexGeneration, *, by: Actor) -> str:
        """Nobody is to build it any more. What it has stays until it is dropped.

        Returns the id of the job that ends. Raises Conflict if no job builds it, or one that has
        ended.
        """
        with self._database.writing(by) as connection:
            builder = connection.scalar(
                select(generations.c.job_id).where(
                    generations.c.id == generation.id, _UNDER_CONSTRUCTION
                )
            )
            if builder is None:
                raise Conflict(f"Nobody builds generation {generation.id}.")
            return cancel_job(connection, find_job(connection, builder)).id

    def drop(self, generation: IndexGeneration, *, by: Actor) -> None:
        """Forget a generation, with its vectors, some documents at a time: others write in between.

        Raises Conflict for the active one and for one that is being built, NotFound if it is gone.
        """
        of_it = vectors.c.generation_id == generation.id
        some = select(vectors.c.document_id).where(of_it).limit(_DROPPED_TOGETHER)
        more = True
        while more:
            with self._database.writing(by) as connection:
                _check_droppable(connection, generation)
                gone = delete(vectors).where(of_it, vectors.c.document_id.in_(some))
                more = connection.execute(gone).rowcount > 0
                if more:
                    continue
                connection.execute(
                    delete(centroids).where(centroids.c.generation_id == generation.id)
                )
                connection.execute(delete(generations).where(generations.c.id == generation.id))
                note(connection, "generation")
                told = {"model": generation.model, "fingerprint": generation.fingerprint}
                record_change(connection, "generation.dropped", str(generation.id), before=told)

    def settings(self, generation: IndexGeneration) -> dict[str, Any]:
        """What belongs to these vectors beside themselves, such as calibrated thresholds."""
        with self._database.reading() as connection:
            wanted = select(generations.c.settings).where(generations.c.id == generation.id)
            return dict(connection.scalar(wanted) or {})

    def in_force(self) -> tuple[IndexGeneration, dict[str, Any]] | None:
        """The active generation with its settings, if there is one yet; cheap enough for every
        question.
        """
        with self._database.reading() as connection:
            found = _ACTIVE_WITH_SETTINGS.rows(connection, {})
        for *stored, settings in found:
            generation = _generation_of(dict(zip(_FIELDS, stored, strict=True)))
            return generation, dict(decode_json(settings))
        return None

    def keep_setting(
        self, generation: IndexGeneration, name: str, value: Any, *, by: Actor
    ) -> None:
        """Holds for every request that starts after it, in every process. None forgets it.

        Raises NotFound.
        """
        wanted = select(generations.c.settings).where(generations.c.id == generation.id)
        with self._database.writing(by) as connection:
            kept = connection.scalar(wanted)
            if kept is None:
                raise NotFound("The generation has been dropped.")
            changed = {key: each for key, each in {**kept, name: value}.items() if each is not None}
            connection.execute(
                update(generations)
                .where(generations.c.id == generation.id)
                .values(settings=changed)
            )
            record_change(
                connection,
                "generation.setting_kept",
                str(generation.id),
                before={name: kept.get(name)},
                after={name: value},
            )

    def _add(
        self,
        connection: Connection,
        model: str,
        fingerprint: str,
        dimension: int,
        state: str,
        job: str | None = None,
    ) -> IndexGeneration:
        now = datetime.now(UTC)
        values = {
            "model": model,
            "fingerprint": fingerprint,
            "dimension": dimension,
            "state": state,
            "job_id": job,
            "activated_at": now if state == "active" else None,
        }
        added = (
            insert(generations).values(**values, settings={}, created_at=now).returning(generations)
        )
        row = connection.execute(added).mappings().one()
        note(connection, "generation")
        return _generation_of(row)


def _find(connection: Connection, generation_id: int) -> IndexGeneration:
    wanted = select(generations).where(generations.c.id == generation_id)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound(
            f"Generation {generation_id} is not there.",
            remedy="Those that are there: clearance generations list",
        )
    return _generation_of(row)


def _check_droppable(connection: Connection, generation: IndexGeneration) -> None:
    now = _find(connection, generation.id)
    if now.state == "active":
        raise Conflict(
            f"Searches use generation {now.id}.",
            remedy="Move to another one first: clearance rebuild --model NAME,"
            " or clearance generations rollback",
        )
    if now in writable_generations(connection):
        raise Conflict(
            f"Generation {now.id} is being built.",
            remedy=f"End that first: clearance generations cancel {now.id}",
        )


def _facts_of(row: Mapping[Any, Any], there: int) -> GenerationFacts:
    standing: Standing = row["state"]
    if standing in ("building", "ready") and not row["live"]:
        # a job whose lease has run out waits for whoever takes it up
        standing = "waiting" if row["job_state"] in ("queued", "running") else "abandoned"
    names = ("id", "model", "dimension", "created_at", "activated_at")
    return GenerationFacts(
        **{name: row[name] for name in names},
        standing=standing,
        documents=row["documents"] or 0,
        of_documents=there,
        vectors=int(row["bytes"] or 0) // (4 * row["dimension"]),
        bytes=int(row["bytes"] or 0),
        job=row["job_id"],
    )


def _generation_of(row: Mapping[Any, Any]) -> IndexGeneration:
    return IndexGeneration(**{name: row[name] for name in _FIELDS})
