"""Which embedding model the derived indexes are built for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, exists, insert, select, update

from indexes.catalog.audit.changes import record_change
from indexes.catalog.changes import note
from indexes.catalog.database import Database
from indexes.catalog.prepared import Prepared, decode_json
from indexes.catalog.schema import centroids, documents, generations, vectors
from indexes.errors import IndexDamaged, ModelMismatch, NotFound
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


def active_generation(connection: Connection) -> IndexGeneration | None:
    """The generation that searches use, if there is one yet."""
    for stored in _ACTIVE.rows(connection, {}):
        return _generation_of(dict(zip(_FIELDS, stored, strict=True)))
    return None


def writable_generations(connection: Connection) -> tuple[IndexGeneration, ...]:
    """The active generation first, then those being built: a new document needs vectors for each."""
    wanted = (
        select(generations)
        .where(generations.c.state != "retired")
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
                remedy="Set CLEARANCE_EMBEDDING_MODEL and CLEARANCE_EMBEDDING_BACKEND back,"
                f" or run: clearance rebuild --model {model}",
            )
        return active

    def begin(self, model: str, fingerprint: str, dimension: int, *, by: Actor) -> IndexGeneration:
        """A generation under construction.

        One for the same vectors that was left unfinished or retired goes on.
        """
        of_it = generations.c.fingerprint == fingerprint, generations.c.state != "active"
        with self._database.writing(by) as connection:
            again = (
                update(generations).where(*of_it).values(state="building").returning(generations)
            )
            row = connection.execute(again).mappings().first()
            if row is None:
                return self._add(connection, model, fingerprint, dimension, "building")
            note(connection, "generation")
            return _generation_of(row)

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
                update(generations).where(generations.c.id == generation.id).values(state="active")
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

    def drop(self, generation: IndexGeneration, *, by: Actor) -> None:
        """Forget a generation that is not active, with its vectors."""
        with self._database.writing(by) as connection:
            for table in (vectors, centroids):
                connection.execute(table.delete().where(table.c.generation_id == generation.id))
            gone = generations.delete().where(
                generations.c.id == generation.id, generations.c.state != "active"
            )
            connection.execute(gone)
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
        self, connection: Connection, model: str, fingerprint: str, dimension: int, state: str
    ) -> IndexGeneration:
        values = {
            "model": model,
            "fingerprint": fingerprint,
            "dimension": dimension,
            "state": state,
        }
        added = (
            insert(generations)
            .values(**values, settings={}, created_at=datetime.now(UTC))
            .returning(generations)
        )
        row = connection.execute(added).mappings().one()
        note(connection, "generation")
        return _generation_of(row)


def _generation_of(row: Mapping[Any, Any]) -> IndexGeneration:
    return IndexGeneration(**{name: row[name] for name in _FIELDS})
