"""Removing what is older than anybody needs, so that it shows what was removed and by whose key."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from indexes.catalog.audit.chain import Head
from indexes.catalog.audit.seals import SealingKey, seal_head
from indexes.catalog.schema import audit_chains, audit_records, audit_seals


def prune_chains(connection: Connection, before: datetime, key: SealingKey) -> int:
    """Removes the records from before this time, from the beginning of each chain up to the first
    later one. What was the last of them stays as a signed head.

    Returns how many were removed.
    """
    chains = connection.scalars(select(audit_chains.c.id).order_by(audit_chains.c.id)).all()
    return sum(_prune_chain(connection, chain, before, key) for chain in chains)


def _prune_chain(connection: Connection, chain: int, before: datetime, key: SealingKey) -> int:
    record = audit_records.c
    of_chain = record.chain_id == chain
    first_kept = connection.scalar(
        select(func.min(record.number)).where(of_chain, record.at >= before)
    )
    older = of_chain if first_kept is None else of_chain & (record.number < first_kept)
    last = connection.execute(
        select(record.number, record.hash).where(older).order_by(record.number.desc()).limit(1)
    ).first()
    if last is None:
        return 0
    removed = connection.execute(
        delete(audit_records).where(of_chain, record.number <= last.number)
    ).rowcount
    seal = audit_seals.c
    connection.execute(
        delete(audit_seals).where(seal.chain_id == chain, seal.number <= last.number)
    )
    seal_head(connection, Head(chain, last.number, last.hash), key, pruned=True)
    return removed
