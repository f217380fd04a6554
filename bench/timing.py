"""What a caller can learn from how long it waits: hidden changes and hidden documents against
controls.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m bench.timing [--pairs 2000] [--only NAME ...] [--json FILE]

The service is `clearance serve` in a process of its own; only the embedder is instant, so that no
noise of its own covers what is measured. This process writes to the catalog as the ingest command
would, and asks over a bare socket as a caller who may read a part. Pairs are interleaved in random
order. In each pair one request follows a hidden change; the other follows the same change made in
another, unrelated catalog, so that disk and processor were as busy. Beside every measure stands the
same one with nothing hidden on either side (A/A).
"""

import argparse
import json
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import event

from bench.actor import BENCH
from indexes import embedder as embedding
from indexes.artifacts import Report
from indexes.catalog import Catalog
from indexes.model import Chunk, Document, Principal, Readers
from indexes.settings import Settings
from indexes.testing import HashingEmbedder
from service.leaktest.client import Client, PreparedRequest, ServiceAway
from service.leaktest.comparing import ObservedReply
from service.leaktest.doors import Call
from service.leaktest.statistics import Separation, measure_separation

WORDS = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "salary",
    "budget",
    "quarter",
    "canteen",
    "engine",
    "harbour",
    "ledger",
)
VISIBLE, HIDDEN, PARTS = 300, 600, 4  # documents, and passages in each
FILTERED = 1_200  # hidden documents that a filter matches
KNOWN = 200  # hidden documents whose ids the attacker knows
QUESTION = "alpha salary budget of the quarter"
# after each request, so that it is over before the next one
REST_S = {"burst of 1000": 0.3, "burst of 100 ": 0.03}
REST_OF_OTHERS_S = 0.004
FEWER = {"burst of 1000": 0.1}  # share of the pairs: a burst takes long to write
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Number = Callable[[ObservedReply, float], float]
"""What the attacker looks at: the seconds, or something in the reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """before: done right before the request, in the catalog of the service or in the other one."""

    name: str
    aim: float | None
    request: Callable[[], PreparedRequest]
    before: Callable[[Catalog], None] = lambda catalog: None
    # the control's request, where that is what differs
    instead: Callable[[], PreparedRequest] | None = None
    number: Number = lambda answered, seconds: seconds * 1e3
    unit: str = "ms"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--only", nargs="+", help="parts of names of measures")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return
    with tempfile.TemporaryDirectory(prefix="bench-timing-") as folder:
        homes = Path(folder, "service"), Path(folder, "other")
        house, other = House(homes[0]), House(homes[1])
        if _is_wanted("document deleted", given.only):
            house.stock(given.pairs)
            other.stock(2 * given.pairs)
        with run_house(homes[0]) as url, Client(url) as client:
            measures = [m for m in every_measure(client, house) if _is_wanted(m.name, given.only)]
            print(
                f"{'what is hidden':<44} {'pairs':>5} {'median':>9} {'control':>9}  {'AUC':>5} {'95 %':>13}  {'A/A':>5}"
            )
            figures = [
                format_measure(m, *run_measure(m, client, house, other, given.pairs))
                for m in measures
            ]
        house.catalog.close()
        other.catalog.close()
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(
            json.dumps({"pairs": given.pairs, "measures": figures}, indent=1) + "\n"
        )


def _is_wanted(name: str, only: Sequence[str] | None) -> bool:
    return not only or any(part in name for part in only)


# --- what is measured ---------------------------------------------------------------------------


def every_measure(client: Client, house: "House") -> Iterator[Measure]:
    search = _fixed(
        client,
        house,
        Call(door="", route="POST /search", path="/search", body={"question": QUESTION}),
    )
    ask = Call(
        door="", route="POST /ask", path="/ask", body={"question": QUESTION, "answerer": "quotes"}
    )
    ready = client.prepare(Call(door="", route="GET /readyz", path="/readyz"), None)
    yield Measure(name="one passage written", aim=0.60, request=search, before=house.hide)
    yield Measure(
        name="burst of 100 passages written",
        aim=0.60,
        request=search,
        before=lambda c: house.hide_many(c, 100),
    )
    yield Measure(
        name="burst of 1000 passages written",
        aim=None,
        request=search,
        before=lambda c: house.hide_many(c, 1_000),
    )
    yield Measure(name="document relabelled", aim=0.60, request=search, before=house.relabel)
    yield Measure(name="document deleted", aim=0.60, request=search, before=house.delete)
    yield Measure(
        name="search_ms of the reply after one written",
        aim=0.60,
        request=_fixed(client, house, ask),
        before=house.hide,
        number=lambda answered, _: json.loads(answered.body)["timings"]["search_ms"],
    )
    yield Measure(
        name="/readyz without a key after one written",
        aim=0.60,
        request=lambda: ready,
        before=house.hide,
    )
    for route, place, ids in (
        ("GET /documents/{document_id}", "/documents/", house.documents),
        ("GET /passages/{passage_id}", "/passages/", house.passages),
    ):
        yield Measure(
            name=f"GET {place} hidden against absent",
            aim=0.55,
            request=_one_of(client, house, route, place, ids),
            instead=_one_of(client, house, route, place, [secrets.token_urlsafe(15) for _ in ids]),
        )
    for condition, matching, none in (
        ("collection", "mixed", "mixes"),
        ("path_prefix", "mixed/", "mixes/"),
        ("metadata", {"author": "mixed"}, {"author": "mixes"}),
    ):
        yield Measure(
            name=f"{condition} of {FILTERED} hidden against none",
            aim=0.55,
            request=_fixed(client, house, _filtered(condition, matching)),
            instead=_fixed(client, house, _filtered(condition, none)),
        )


def _filtered(condition: str, value: object) -> Call:
    body = {"question": QUESTION, "filters": {condition: value}}
    return Call(door="", route="POST /search", path="/search", body=body)


def _fixed(client: Client, house: "House", call: Call) -> Callable[[], PreparedRequest]:
    prepared = client.prepare(call, house.key)
    return lambda: prepared


def _one_of(
    client: Client, house: "House", route: str, place: str, ids: Sequence[str]
) -> Callable[[], PreparedRequest]:
    prepared = [
        client.prepare(Call(door="", route=route, path=place + each), house.key) for each in ids
    ]
    return lambda: random.choice(prepared)


def run_measure(
    measure: Measure, client: Client, house: "House", other: "House", pairs: int
) -> tuple[Separation, Separation]:
    """The samples against their control, and the control against itself."""
    share = next((part for name, part in FEWER.items() if name in measure.name), 1.0)
    rest = next(
        (seconds for name, seconds in REST_S.items() if name in measure.name), REST_OF_OTHERS_S
    )
    taken: dict[str, list[float]] = {"sample": [], "control": [], "again": []}
    for _ in range(50):
        client.send(measure.request())
    for _ in range(max(20, int(pairs * share))):
        for kind in random.sample(list(taken), 3):
            hidden = kind == "sample"
            request = measure.request if hidden or measure.instead is None else measure.instead
            measure.before(house.catalog if hidden else other.catalog)
            answered, seconds = client.send(request())
            if answered.status >= 500:
                raise SystemExit(f"{measure.name}: {answered.status} {answered.body[:200]!r}")
            taken[kind].append(measure.number(answered, seconds))
            time.sleep(rest)
            # whatever was left to follow belongs to this trial, not to the next one
            client.send(request())
    return measure_separation(taken["sample"], taken["control"]), measure_separation(
        taken["again"], taken["control"]
    )


def format_measure(measure: Measure, found: Separation, again: Separation) -> dict[str, object]:
    aim = (
        ""
        if measure.aim is None
        else f" aim {measure.aim:.2f}" + (", not met" if found.auc > measure.aim else "")
    )
    print(
        f"{measure.name:<44} {found.pairs:>5} {found.median:>6.2f} {measure.unit} {found.control_median:>6.2f}"
        f" {measure.unit}  {found.auc:.3f} ({found.low:.3f}–{found.high:.3f})  {again.auc:.3f} {aim}",
        flush=True,
    )
    return {
        "name": measure.name,
        "aim": measure.aim,
        "found": asdict(found),
        "control": asdict(again),
    }


# --- the corpus ---------------------------------------------------------------------------------


class House:
    """A catalog in which the caller reads a part; this process writes to it, the service reads it."""

    def __init__(self, home: Path) -> None:
        self._embedder = HashingEmbedder()
        self._random = random.Random(11)
        self._number = 0
        self.catalog = Catalog.open(Settings(home=home).catalog_url)
        engine = self.catalog._database.engine
        # nothing here has to outlive a power cut, and many writes are waited for
        if engine.dialect.name == "sqlite":
            engine.dispose()
            event.listen(
                engine,
                "connect",
                lambda connection, _: connection.execute("PRAGMA synchronous=OFF"),
            )
        ensured = self._embedder
        self.catalog.generations.ensure(
            ensured.name, ensured.fingerprint, ensured.dimension, by=BENCH
        )
        for group in ("staff", "board", "vault"):
            self.catalog.people.add_group(group, by=BENCH)
        self.catalog.people.add_user("eve", by=BENCH)
        self.catalog.people.add_member("staff", "user:eve", by=BENCH)
        self.catalog.people.add_user("bob", by=BENCH)
        self.catalog.people.add_member("board", "user:bob", by=BENCH)
        self.key = self.catalog.keys.issue("eve", by=BENCH).secret
        self._gone: dict[int, int] = {}
        for number in range(VISIBLE):
            self._put(self.catalog, f"open{number}", "staff", PARTS)
        for number in range(HIDDEN):
            self._put(self.catalog, f"known{number}", "board", PARTS)
        for number in range(FILTERED):
            self._put(self.catalog, f"mixed{number}", "board", 1, collection="mixed")
        self.documents, self.passages = self._ids()

    def hide(self, catalog: Catalog) -> None:
        """One passage; a hundred documents take turns, so that the corpus stays as large as it is."""
        self._number += 1
        self._put(catalog, f"hidden{self._number % 100}", "board", 1)

    def hide_many(self, catalog: Catalog, passages: int) -> None:
        """In documents of ten passages, each in a transaction of its own, as ingestion writes them."""
        for number in range(passages // 10):
            self._put(catalog, f"burst{number}", "board", 10)

    def relabel(self, catalog: Catalog) -> None:
        self._number += 1
        readers = Readers(allow=frozenset({f"group:{'board' if self._number % 2 else 'vault'}"}))
        catalog.documents.relabel(f"bench:known{self._random.randrange(HIDDEN)}", readers, by=BENCH)

    def delete(self, catalog: Catalog) -> None:
        """One of those that were there from the start, so that it has been followed long ago."""
        uri = f"gone{self._gone.setdefault(id(catalog), 0)}"
        self._gone[id(catalog)] += 1
        catalog.documents.delete(f"bench:{uri}", by=BENCH)

    def stock(self, number: int) -> None:
        """Hidden documents to be deleted."""
        for each in range(number):
            self._put(self.catalog, f"gone{each}", "board", 1)

    def _put(
        self, catalog: Catalog, uri: str, group: str, parts: int, collection: str = "default"
    ) -> None:
        texts = [" ".join(self._random.choices(WORDS, k=12)) for _ in range(parts)]
        chunks, start = [], 0
        for ordinal, text in enumerate(texts):
            chunks.append(
                Chunk(ordinal=ordinal, text=text, start=start, end=start + len(text), embedded=text)
            )
            start += len(text) + 1
        document = Document(
            uri=f"bench:{uri}",
            path=f"{collection}/{uri}.txt",
            title=uri,
            media_type="text/plain",
            text="\n".join(texts),
            chunks=tuple(chunks),
            content_hash="0" * 64,
            readers=Readers(allow=frozenset({f"group:{group}"})),
            collection=collection,
            metadata={"author": collection},
        )
        vectors = self._embedder.passages(texts)
        catalog.documents.put(
            document, {g.id: vectors for g in catalog.generations.writable()}, by=BENCH
        )

    def _ids(self) -> tuple[list[str], list[str]]:
        with self.catalog.reading() as state:
            rows = [int(row) for placed in state.placements() for row in placed.rows]
            hits = state.read([(row, 0.0) for row in rows], Principal(name="user:bob"))  # type: ignore[misc]
        chosen = [hit for hit in hits if hit.title.startswith("known") and hit.ordinal == 0][:KNOWN]
        return [hit.document_id for hit in chosen], [hit.id for hit in chosen]


# --- the service --------------------------------------------------------------------------------


def serve() -> None:
    """`clearance serve` with an embedder that needs no time."""
    from service.cli import serve as commands

    def instant(
        settings: Settings, report: Report = print, *, fingerprint: str | None = None
    ) -> HashingEmbedder:
        return HashingEmbedder()

    embedding.load = instant
    commands.serve(host="127.0.0.1", port=0)


@contextmanager
def run_house(home: Path) -> Iterator[str]:
    """The address of the service over this home."""
    command = [sys.executable, "-m", "bench.timing", "--serve"]
    settings = {"CLEARANCE_HOME": str(home), "CLEARANCE_LOG_LEVEL": "error"}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")}
    process = subprocess.Popen(
        command, env={**ours, **ONE_THREAD, **settings}, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        found = (re.search(r"(?<=answers on )http://\S+?(?=;)", line) for line in process.stderr)
        url = next(match[0] for match in found if match)
        _wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait(60)
        sys.stderr.write(process.stderr.read())  # what it logged, should a test have failed


def _wait_for(url: str) -> None:
    live = Call(door="", route="GET /livez", path="/livez")
    for _ in range(1_000):
        with suppress(ServiceAway), Client(url) as client:
            client.answer(live, None)
            return
        time.sleep(0.02)
    raise SystemExit("The service does not answer.")


if __name__ == "__main__":
    main()
