"""Several processes write to one catalog at once, and each write is done as if it were alone.

    python -m tests.attack.writers [--writes 20000] [--seed N] [--folder F]

In each round half of the processes do one thing and half another, to the same few names. Every pair
comes up. A write is done or refused for what it asks, never for the others' sake; and what was
acknowledged adds up, so that the writes could have been done in some order, one by one. With
CLEARANCE_TEST_POSTGRES the catalog is on that server.
"""

import argparse
import itertools
import multiprocessing
import random
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory

from indexes.catalog.template_choice import TemplateText
from indexes.derived.verify import verify_catalog
from indexes.errors import (
    Busy,
    CatalogUnavailable,
    ClearanceError,
    Conflict,
    LeaseLost,
    ModelMismatch,
    StorageFull,
)
from indexes.model import Readers
from tests.world import TESTER, World

PROCESSES = 8
PROCESS = multiprocessing.get_context("forkserver")
PROCESS.set_forkserver_preload(["tests.world", "indexes.derived.verify"])  # imported once for all
AT_ONCE = 30.0  # seconds that a process may take to begin or to end a round
NAMES = 3  # of each kind: few, so that writers meet

IN_THE_WAY = (Busy, CatalogUnavailable, Conflict, ModelMismatch, StorageFull)
"""What nobody may be told because others write, too. A lost lease is one that was given away."""


@dataclass(slots=True)
class Acknowledged:
    """What one process was told: how often each thing came and went, and what went wrong."""

    balance: Counter[str] = field(default_factory=Counter)  # thing: times made, less times removed
    claims: Counter[str] = field(default_factory=Counter)  # job: times handed out
    wrong: list[str] = field(default_factory=list)
    done: int = 0
    refused: int = 0


Write = Callable[[World, random.Random, Acknowledged], None]


def _name(rng: random.Random, kind: str) -> str:
    return f"{kind}{rng.randrange(NAMES)}"


def _readers(rng: random.Random) -> Readers:
    """Of names that exist, that do not, and that nobody has written before."""
    names = [f"user:{_name(rng, 'user')}", f"group:{_name(rng, 'group')}"]
    names.append(f"group:new{rng.randrange(10_000)}")
    return Readers(allow=frozenset(rng.sample(names, rng.randint(1, 3))))


def _add_user(world: World, rng: random.Random, told: Acknowledged) -> None:
    name = _name(rng, "user")
    world.catalog.people.add_user(name, by=TESTER)
    told.balance[f"user:{name}"] += 1


def _remove_user(world: World, rng: random.Random, told: Acknowledged) -> None:
    name = _name(rng, "user")
    world.catalog.people.remove_user(name, lift_denies=True, by=TESTER)
    told.balance[f"user:{name}"] -= 1


def _rename_user(world: World, rng: random.Random, told: Acknowledged) -> None:
    old, new = _name(rng, "user"), _name(rng, "user")
    if old != new:
        world.catalog.people.rename_user(old, new, by=TESTER)
        told.balance.update({f"user:{old}": -1, f"user:{new}": 1})


def _add_group(world: World, rng: random.Random, told: Acknowledged) -> None:
    name = _name(rng, "group")
    world.catalog.people.add_group(name, by=TESTER)
    told.balance[f"group:{name}"] += 1


def _remove_group(world: World, rng: random.Random, told: Acknowledged) -> None:
    name = _name(rng, "group")
    world.catalog.people.remove_group(name, lift_denies=True, by=TESTER)
    told.balance[f"group:{name}"] -= 1


def _add_member(world: World, rng: random.Random, _told: Acknowledged) -> None:
    member = f"user:{_name(rng, 'user')}"
    world.catalog.people.add_member(_name(rng, "group"), member, by=TESTER)


def _remove_member(world: World, rng: random.Random, _told: Acknowledged) -> None:
    member = f"user:{_name(rng, 'user')}"
    world.catalog.people.remove_member(_name(rng, "group"), member, by=TESTER)


def _put(world: World, rng: random.Random, _told: Acknowledged) -> None:
    readers = _readers(rng)
    world.put(_name(rng, "doc"), [f"Part {rng.random()} of the pump."], *readers.allow)


def _relabel(world: World, rng: random.Random, _told: Acknowledged) -> None:
    world.catalog.documents.relabel(_name(rng, "doc"), _readers(rng), by=TESTER)


def _narrow(world: World, rng: random.Random, _told: Acknowledged) -> None:
    world.catalog.documents.narrow(_name(rng, "doc"), _readers(rng), by=TESTER)


def _relabel_all(world: World, rng: random.Random, _told: Acknowledged) -> None:
    wanted = {f"doc{number}": _readers(rng) for number in range(NAMES)}
    world.catalog.documents.relabel_all(wanted, by=TESTER)


def _delete(world: World, rng: random.Random, _told: Acknowledged) -> None:
    world.catalog.documents.delete(_name(rng, "doc"), by=TESTER)


def _issue_key(world: World, rng: random.Random, told: Acknowledged) -> None:
    world.catalog.keys.issue(_name(rng, "user"), by=TESTER)
    told.balance["keys"] += 1


def _save_template(world: World, rng: random.Random, _told: Acknowledged) -> None:
    says = TemplateText(
        variables=("question",), system=f"{rng.random()}", user="{{ question }}", no_answer="n"
    )
    name = _name(rng, "template")
    saved = world.catalog.templates.save(name, "chat", "en", says, by=TESTER)
    world.catalog.templates.activate(name, saved.version, by=TESTER)


def _roll_back_template(world: World, rng: random.Random, _told: Acknowledged) -> None:
    world.catalog.templates.rollback(_name(rng, "template"), by=TESTER)


def _set_model_rule(world: World, rng: random.Random, _told: Acknowledged) -> None:
    world.catalog.models.set(_name(rng, "model"), _readers(rng), by=TESTER)


def _clear_model_rule(world: World, rng: random.Random, _told: Acknowledged) -> None:
    world.catalog.models.clear(_name(rng, "model"), by=TESTER)


def _enqueue(world: World, _rng: random.Random, told: Acknowledged) -> None:
    world.catalog.jobs.enqueue("attack", {}, by=TESTER)
    told.balance["jobs"] += 1


def _work(world: World, _rng: random.Random, told: Acknowledged) -> None:
    job = world.catalog.jobs.claim(["attack"], 600.0, by=TESTER)
    if job is not None:
        told.claims[job.id] += 1
        world.catalog.jobs.finish(job, {}, by=TESTER)


def _add_source(world: World, rng: random.Random, told: Acknowledged) -> None:
    name = _name(rng, "source")
    world.catalog.sources.add(name, world.home / "sources" / name, by=TESTER)
    told.balance[f"source:{name}"] += 1


def _remove_source(world: World, rng: random.Random, told: Acknowledged) -> None:
    name = _name(rng, "source")
    world.catalog.sources.remove(name, by=TESTER)
    told.balance[f"source:{name}"] -= 1


def _set_source_rule(world: World, rng: random.Random, _told: Acknowledged) -> None:
    world.catalog.sources.set_rule(_name(rng, "source"), _readers(rng), by=TESTER)


WRITES: tuple[Write, ...] = (
    _add_user, _remove_user, _rename_user, _add_group, _remove_group, _add_member, _remove_member, _put, _relabel,
    _narrow, _relabel_all, _delete, _issue_key, _save_template, _roll_back_template, _set_model_rule, _clear_model_rule,
    _enqueue, _work, _add_source, _remove_source, _set_source_rule,
)  # fmt: skip
PAIRS = tuple(itertools.combinations_with_replacement(WRITES, 2))


def _write(
    home: Path,
    url: str,
    number: int,
    seed: int,
    rounds: Iterable[int],
    together: Barrier,
    told: Connection,
) -> None:
    """One process. rounds: numbers of pairs."""
    world, rng = World(home, catalog_url=url), random.Random(f"{seed} {number}")
    result = Acknowledged()
    for pair in rounds:
        together.wait(AT_ONCE)
        write = PAIRS[pair][number % 2]
        try:
            write(world, rng, result)
            result.done += 1
        except IN_THE_WAY as error:
            result.wrong.append(f"{write.__name__}: {error!r}")
        except LeaseLost as error:
            result.wrong.append(f"{write.__name__}, though the lease had not run out: {error!r}")
        except ClearanceError:
            result.refused += 1
        except Exception as error:  # the database's own words, perhaps with SQL
            result.wrong.append(f"{write.__name__}: {type(error).__name__}: {error}")
    world.close()
    told.send(result)


def attack(home: Path, writes: int, seed: int) -> Acknowledged:
    """All that was acknowledged in about as many writes; `wrong` has what should not have been."""
    world = World(home)
    world.catalog.generations.ensure("test", world.embedder.fingerprint, 16, by=TESTER)
    rounds = _choose_rounds(writes // PROCESSES, seed)
    together, ends, processes = PROCESS.Barrier(PROCESSES), [], []
    for number in range(PROCESSES):
        end, told = PROCESS.Pipe(duplex=False)
        process = PROCESS.Process(
            target=_write,
            args=(home, world.settings.catalog_url, number, seed, rounds, together, told),
            daemon=True,
        )
        process.start()
        told.close()
        ends.append(end)
        processes.append(process)
    total = _add_up(end.recv() for end in ends)
    for process in processes:
        process.join(AT_ONCE)
    total.wrong += _contradictions(world, total)
    world.close()
    return total


def _choose_rounds(number: int, seed: int) -> list[int]:
    """Numbers of pairs, each as often as any other."""
    rng, chosen = random.Random(seed), list[int]()
    while len(chosen) < number:
        chosen += rng.sample(range(len(PAIRS)), len(PAIRS))
    return chosen[:number]


def _add_up(results: Iterable[Acknowledged]) -> Acknowledged:
    total = Acknowledged()
    for one in results:
        total.balance.update(one.balance)
        total.claims.update(one.claims)
        total.wrong += one.wrong
        total.done += one.done
        total.refused += one.refused
    return total


def _contradictions(world: World, told: Acknowledged) -> list[str]:
    """What is stored and cannot have come of what was acknowledged."""
    catalog, wrong = world.catalog, []
    there = Counter([*catalog.people.users(), *catalog.people.groups()])
    there.update(f"source:{source.name}" for source in catalog.sources.list())
    there["jobs"] = len(catalog.jobs.latest(1_000_000))
    for thing in {*there, *told.balance} - {"keys"}:
        if there[thing] != told.balance[thing]:
            wrong.append(f"{thing} is there {there[thing]} times, not {told.balance[thing]}")
    wrong += [f"the job {job} was handed out {n} times" for job, n in told.claims.items() if n > 1]
    for template in catalog.templates.list():
        numbers = [version.version for version in catalog.templates.versions(template.name)]
        if numbers != list(range(1, len(numbers) + 1)):
            wrong.append(f"{template.name} has the versions {numbers}")
    with catalog.reading() as state:
        wrong += map(str, verify_catalog(state, whole=True))
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--writes", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--folder", type=Path, help="where the catalog is made; default: a new one")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="clearance-writers-") as folder:
        told = attack(given.folder or Path(folder), given.writes, given.seed)
    print(f"{told.done} writes done, {told.refused} refused, seed {given.seed}")
    for line in told.wrong:
        print(line, file=sys.stderr)
    raise SystemExit(bool(told.wrong))


if __name__ == "__main__":
    main()
