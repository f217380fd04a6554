"""Records that follow each other: each has a hash of itself and of the record before it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from indexes.catalog.prepared import wrap_driver_error
from indexes.catalog.schema import audit_records, audit_seals

CHANGES = 1
"""The chain of what was changed in the catalog: one for all processes, since writers wait for each
other.
"""

NOTHING = bytes(32)  # what stands for the record before the first one
_SCHEME = b"clearance audit 1\0"
_AS_THEY_ARE = ("chain_id", "number", "subject", "body", "hash")
_INSERT = f"INSERT INTO audit_records ({', '.join(_AS_THEY_ARE)}, at) VALUES "
_VALUES = "(?, ?, ?, ?, ?, ?)"
_AT_ONCE = 1_000  # rows of one statement, and so all or none of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to be recorded."""

    body: Mapping[str, Any]  # as JSON; `at` is added
    subject: str | None = None  # id of the answer that it tells of
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def text(self) -> str:
        """To the letter what is stored and what the hash is of."""
        told = {"at": self.at.isoformat(timespec="microseconds"), **self.body}
        return json.dumps(told, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a chain."""

    chain: int
    number: int  # 0 if there is none
    hash: bytes

    def next(self, text: str) -> "Head":
        """The head once this text has been recorded."""
        number = self.number + 1
        place = self.chain.to_bytes(8, "big") + number.to_bytes(8, "big")
        told = _SCHEME + self.hash + place + text.encode()
        return Head(self.chain, number, hashlib.sha256(told).digest())


def find_head(connection: Connection, chain: int) -> Head:
    """The last record, also if it has been removed since."""
    for table in (audit_records, audit_seals):
        wanted = select(table.c.number, table.c.hash).where(table.c.chain_id == chain)
        found = connection.execute(wanted.order_by(table.c.number.desc()).limit(1)).first()
        if found is not None:
            return Head(chain, found.number, found.hash)
    return Head(chain, 0, NOTHING)


def extend(connection: Connection, head: Head, entries: Sequence[Entry]) -> Head:
    """Writes the entries behind the head. Returns the new one."""
    rows = []
    for entry in entries:
        text = entry.text()
        head = head.next(text)
        rows.append(
            {
                "chain_id": head.chain,
                "number": head.number,
                "subject": entry.subject,
                "at": entry.at,
                "body": text,
                "hash": head.hash,
            }
        )
    if connection.dialect.name == "sqlite":
        _insert_directly(connection, rows)
    else:
        connection.execute(insert(audit_records), rows)
    return head


def _insert_directly(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """By way of the driver alone: to put the statement into words takes three times as long as the
    record, and each search waits for one.
    """
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        statement = _INSERT + ", ".join([_VALUES] * len(some))
        sent = [value for row in some for value in (*(row[n] for n in _AS_THEY_ARE), _moment(row))]
        try:
            connection.connection.cursor().execute(statement, sent)
        except connection.dialect.dbapi.Error as error:  # type: ignore[union-attr]
            raise wrap_driver_error(connection, statement, error) from error


def _moment(row: Mapping[str, Any]) -> str:
    """As the catalog keeps it in a file."""
    return f"{row['at'].astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
