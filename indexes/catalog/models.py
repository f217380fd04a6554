"""Who may use which language model.

One without a rule is for everybody who may ask: the operator configured it.

To somebody who may not use a model it does not exist. Models are only names here; what is served is
not known.
"""

import unicodedata

from sqlalchemy import delete, insert, select

from indexes import attributes
from indexes.catalog.access import asker_parameters, confirm, may_read
from indexes.catalog.audit.changes import readers_as_json, record_change
from indexes.catalog.database import Database
from indexes.catalog.prepared import Prepared
from indexes.catalog.reader_sets import intern_readers, readers_by_set
from indexes.catalog.schema import models
from indexes.errors import BadInput, NotFound
from indexes.model import Actor, Principal, Readers

MAX_NAME_CHARS = 512
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

_HIDDEN = Prepared(select(models.c.name).where(~may_read(models.c.reader_set_id)))
"""From the tables themselves, at every request: an asker that is not a known user may use no model
that has a rule.
"""


class Models:
    """Every change holds for each request that starts after the call has returned, in every
    process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def hidden_from(self, principal: Principal) -> frozenset[str]:
        """The models that this asker may not use. Raises NotAuthenticated."""
        with self._database.reading() as connection:
            confirm(connection, principal)
            found = _HIDDEN.rows(connection, asker_parameters(principal))
        return frozenset(name for (name,) in found)

    # --- for administrators ---------------------------------------------------------------------

    def set(self, name: str, readers: Readers, *, by: Actor) -> None:
        """From now on only these may use the model; nobody, if none is allowed. Raises BadInput."""
        _check_name(name)
        with self._database.writing(by) as connection:
            connection.execute(delete(models).where(models.c.name == name))
            connection.execute(
                insert(models).values(name=name, reader_set_id=intern_readers(connection, readers))
            )
            record_change(connection, "model.rule_set", name, after=readers_as_json(readers))

    def clear(self, name: str, *, by: Actor) -> None:
        """From now on everybody who may ask may use the model.

        Raises NotFound if it has no rule.
        """
        with self._database.writing(by) as connection:
            gone = delete(models).where(models.c.name == name)
            if (
                attributes.text_problem(name, MAX_NAME_CHARS)
                or connection.execute(gone).rowcount == 0
            ):
                raise NotFound(f"{name[:80]!a} has no rule.", remedy="See: clearance models list")
            record_change(connection, "model.rule_cleared", name)

    def list(self) -> dict[str, Readers]:
        """Every rule, by the model's name."""
        with self._database.reading() as connection:
            found = connection.execute(select(models).order_by(models.c.name)).all()
            readers = readers_by_set(connection, {row.reader_set_id for row in found})
            return {row.name: readers[row.reader_set_id] for row in found}


def _check_name(name: str) -> None:
    """Raises BadInput for what no model server calls a model."""
    if not 1 <= len(name) <= MAX_NAME_CHARS or name != name.strip():
        raise BadInput(
            f"{name[:80]!a} cannot name a model.",
            remedy="Write it as the model server does: clearance models list",
        )
    if any(unicodedata.category(mark) in _INVISIBLE for mark in name):
        raise BadInput(
            f"{name[:80]!a} has control or invisible characters.",
            remedy="Write it as the server does.",
        )
