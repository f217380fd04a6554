"""How long it takes to find out what somebody may read: 100,000 users, 10,000 nested groups,
100,000 reader sets.

python -m bench.views
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import insert

from bench.actor import BENCH
from indexes.catalog import Catalog
from indexes.catalog.schema import memberships, principals, reader_set_entries, reader_sets
from indexes.model import Principal


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--users", type=int, default=100_000)
    options.add_argument("--groups", type=int, default=10_000)
    options.add_argument("--reader-sets", type=int, default=100_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog.open(f"sqlite:///{folder}/catalog.sqlite")
        fill(catalog, given.users, given.groups, given.reader_sets)
        measure(catalog, given.users)
        print(f"catalog {sum(p.stat().st_size for p in Path(folder).iterdir()) / 2**20:.0f} MiB")
        catalog.close()


def fill(catalog: Catalog, users: int, groups: int, sets: int) -> None:
    """Each user in 10 groups, each group in up to one other, each reader set of 1 to 3 groups."""
    rng = random.Random(7)
    first_group = users + 1
    with catalog._database.writing(BENCH) as connection:
        names = [{"name": f"user:u{n}", "known": 1} for n in range(users)]
        connection.execute(
            insert(principals), names + [{"name": f"group:g{n}", "known": 1} for n in range(groups)]
        )
        edges = {
            (user, rng.randrange(first_group, first_group + groups))
            for user in range(1, users + 1)
            for _ in "0123456789"
        }
        edges |= {
            (group, rng.randrange(first_group, group))
            for group in range(first_group + 1, first_group + groups, 2)
        }
        connection.execute(insert(memberships), [{"member_id": m, "group_id": g} for m, g in edges])
        connection.execute(insert(reader_sets), [{"fingerprint": f"{n:064d}"} for n in range(sets)])
        rows = {
            (rng.randrange(first_group, first_group + groups), n)
            for n in range(1, sets + 1)
            for _ in range(rng.randint(1, 3))
        }
        entries = [{"principal_id": p, "effect": "allow", "reader_set_id": n} for p, n in rows]
        connection.execute(insert(reader_set_entries), entries)


def measure(catalog: Catalog, users: int) -> None:
    rng = random.Random(8)
    times, sizes = [], []
    for _ in range(200):
        principal = Principal(name=f"user:u{rng.randrange(users)}")
        with catalog.reading() as state:
            start = time.perf_counter()
            sizes.append(len(state.reader_sets(principal)))
            times.append((time.perf_counter() - start) * 1e3)
    ordered = sorted(times)
    median = statistics.median(times)
    print(
        f"resolve, cold: median {median:.2f} ms, p95 {ordered[189]:.2f} ms, {statistics.median(sizes):.0f} reader sets"
    )


if __name__ == "__main__":
    main()
