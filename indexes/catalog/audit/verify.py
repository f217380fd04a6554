"""Whether the record is whole: nothing changed, nothing left out, nothing cut off.

What no look at the record alone can find is that its newest part was cut off together with the
seals of that part. So the heads of all chains, kept elsewhere, are compared with what is there now.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from indexes.catalog.audit.chain import NOTHING, Head
from indexes.catalog.audit.seals import is_signed, key_id
from indexes.catalog.database import Database
from indexes.catalog.schema import audit_chains, audit_records, audit_seals

READ_TOGETHER = 1_000  # records


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What was found of one chain."""

    book: str  # changes | questions
    chain: int
    name: str
    head: Head
    records: int
    pruned: int  # records removed from its beginning, under a signature
    seals: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Seal:
    head: Head
    pruned: bool
    key: str
    signature: bytes


def verify_book(
    book: str,
    database: Database,
    public_keys: Iterable[bytes],
    known_heads: Mapping[tuple[str, int], Head],
) -> list[ChainReport]:
    """Every chain of one database, in one state of it.

    public_keys: those that may have made seals. known_heads: as they were told at an earlier time,
    by book and chain.
    """
    keys = {key_id(public): public for public in public_keys}
    with database.reading() as connection:
        chains = connection.execute(select(audit_chains).order_by(audit_chains.c.id)).all()
        reports = [
            _verify_chain(connection, book, row.id, row.name, keys, known_heads.get((book, row.id)))
            for row in chains
        ]
    there = {report.chain for report in reports}
    last = max((*there, *(chain for of, chain in known_heads if of == book)), default=0)
    missing = [
        _missing_chain(book, chain, known_heads.get((book, chain)))
        for chain in range(1, last + 1)
        if chain not in there
    ]
    return reports + missing


def _missing_chain(book: str, chain: int, known: Head | None) -> ChainReport:
    return ChainReport(
        book=book,
        chain=chain,
        name="",
        head=known or Head(chain, 0, NOTHING),
        records=0,
        pruned=0,
        seals=0,
        problems=("the whole chain is missing",),
    )


def _verify_chain(
    connection: Connection,
    book: str,
    chain: int,
    name: str,
    keys: Mapping[str, bytes],
    known: Head | None,
) -> ChainReport:
    seals = _read_seals(connection, chain)
    start = max((seal.head for seal in seals if seal.pruned), key=_number, default=None)
    problems = [told for seal in seals if (told := _judge_seal(seal, keys))]
    expected = {seal.head.number: seal.head.hash for seal in seals}
    if known is not None:
        expected_head = expected.setdefault(known.number, known.hash)
        if expected_head != known.hash:
            problems.append(f"record {known.number} is another one than was told before")
    head = start or Head(chain, 0, NOTHING)
    first, count = head.number, 0
    for row in _records(connection, chain):
        count += 1
        problems += _judge_record(row, head, expected)
        head = Head(chain, row.number, row.hash)
    due = max(expected, default=0)
    if due > head.number:
        problems.append(f"it ends with record {head.number}, and there was a record {due}")
    return ChainReport(
        book=book,
        chain=chain,
        name=name,
        head=head,
        records=count,
        pruned=first,
        seals=len(seals),
        problems=tuple(problems),
    )


def _judge_seal(seal: _Seal, keys: Mapping[str, bytes]) -> str | None:
    public = keys.get(seal.key)
    if public is None:
        return f"record {seal.head.number} is sealed with a key that is not known here: {seal.key}"
    if not is_signed(public, seal.head, seal.signature, pruned=seal.pruned):
        return f"the seal of record {seal.head.number} is not from its key"
    return None


def _judge_record(row: Any, before: Head, expected: Mapping[int, bytes]) -> list[str]:
    """What is wrong with a record that stands behind this head."""
    if row.number != before.number + 1:
        gone = f"{before.number + 1} to {row.number - 1}"
        if row.number <= before.number:
            return [f"record {row.number} was removed by a signed pruning and is there"]
        return [f"records {gone} are missing"]
    found = before.next(row.body)
    wrong = []
    if found.hash != row.hash:
        wrong.append(f"record {row.number} was changed")
    elif expected.get(row.number, row.hash) != row.hash:
        wrong.append(f"record {row.number} is not the one that was sealed")
    return wrong


def _read_seals(connection: Connection, chain: int) -> list[_Seal]:
    wanted = select(audit_seals).where(audit_seals.c.chain_id == chain)
    return [
        _Seal(Head(chain, row.number, row.hash), bool(row.pruned), row.key_id, row.signature)
        for row in connection.execute(wanted.order_by(audit_seals.c.id))
    ]


def _records(connection: Connection, chain: int) -> Iterator[Any]:
    """In order; only some of them are held at once."""
    last = 0
    wanted = (
        select(audit_records.c.number, audit_records.c.body, audit_records.c.hash)
        .where(audit_records.c.chain_id == chain)
        .order_by(audit_records.c.number)
        .limit(READ_TOGETHER)
    )
    while some := connection.execute(wanted.where(audit_records.c.number > last)).all():
        yield from some
        last = some[-1].number


def _number(head: Head) -> int:
    return head.number
