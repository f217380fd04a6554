"""The whole leak test: every check against one running service, and nothing left behind."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from tempfile import TemporaryDirectory

from indexes.catalog import Catalog
from indexes.model import Actor
from service.leaktest import checks
from service.leaktest.canaries import Canaries, EmbedderOf, open_unrelated_catalog
from service.leaktest.client import Client
from service.leaktest.doors import Call
from service.leaktest.report import LeakReport


def attack_service(
    url: str,
    catalog: Catalog,
    embedder_of: EmbedderOf,
    *,
    by: Actor,
    pairs: int,
    models: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> LeakReport:
    """Every check against the service at this address, which must be one over this catalog.

    Raises NothingToSee, and ServiceAway if nothing answers. Whatever happens, nothing is left in
    the catalog.
    """
    with ExitStack() as stack:
        client = stack.enter_context(Client(url))
        report = LeakReport(url=url, version=_ask_version(client))
        canaries = stack.enter_context(Canaries(catalog, embedder_of, by=by).place_group())
        say("Placing canaries ...")
        here = checks.set_scene(canaries, client, models=models)
        for doing, check in (
            ("Looking through every door", checks.look_through_every_door),
            ("Comparing replies before and after hidden changes", checks.compare_before_and_after),
            ("Taking rights away", checks.check_revocation),
        ):
            say(f"{doing} ...")
            check(here, report)
        if pairs:
            say("Measuring time ...")
            _measure_time(here, report, catalog, pairs, by)
        say("Removing the canaries ...")
    return report


def _measure_time(
    here: checks.Scene, report: LeakReport, catalog: Catalog, pairs: int, by: Actor
) -> None:
    """Beside a catalog that has nothing to do with this one, which is removed again."""
    with TemporaryDirectory(prefix="clearance-leaktest-") as elsewhere:
        address = f"sqlite:///{elsewhere}/catalog.sqlite"
        with open_unrelated_catalog(address, catalog, by=by) as unrelated:
            checks.measure_time(here, report, unrelated, pairs)


def _ask_version(client: Client) -> str:
    answered = client.answer(Call(door="/version", route="GET /version", path="/version"), None)
    found = json.loads(answered.body) if answered.status == 200 else {}
    return str(found.get("version", "unknown"))
