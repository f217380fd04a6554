"""P1 over HTTP: hidden changes, in batches and of every sort, change no byte of anything that
anybody gets.
"""

import os
import random
from pathlib import Path

import pytest

from tests.attack.hidden import CANARY, hidden_batch, open_change
from tests.attack.twins import ATTACKERS, twins

SEED = int(os.environ.get("CLEARANCE_TEST_SEED", "1"))
ROUNDS = int(os.environ.get("ATTACK_ROUNDS", "8"))
DOORS = 12  # asked before the first change and after each batch; all of them at the end


@pytest.mark.slow
def test_hidden_changes_between_requests_change_no_byte(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    with twins(tmp_path, SEED) as pair:
        for attacker in ATTACKERS:
            first = rng.sample(pair.calls[attacker], DOORS)
            assert pair.differences(attacker, first) == [], "before any change"
        for number in range(ROUNDS):
            batch = hidden_batch(rng)
            pair.change(batch)
            if rng.random() < 0.5:
                pair.change_openly(open_change(rng))
            attacker = rng.choice(list(ATTACKERS))
            asked = rng.sample(pair.calls[attacker], DOORS)
            assert pair.differences(attacker, asked) == [], (
                f"seed {SEED}, round {number}, after {batch}"
            )
        for attacker in ATTACKERS:
            whole = attacker == "eve" or ROUNDS > 8
            last = pair.calls[attacker] if whole else rng.sample(pair.calls[attacker], 4 * DOORS)
            assert pair.differences(attacker, last) == [], f"seed {SEED}, at the end"


def test_two_hidden_documents_that_move_together_after_an_edit_change_no_byte(
    tmp_path: Path,
) -> None:
    with twins(tmp_path, SEED) as pair:
        world = pair.changed.world

        def compare() -> list[str]:
            searches = [
                call
                for call in pair.calls["nil"]
                if call.door.startswith(("search hybrid", "search keyword"))
            ]
            return pair.differences("nil", searches)

        for uri in ("hidden0", "hidden1"):
            world.put(uri, f"{CANARY} alpha salary budget", "user:bob")
        assert compare() == []
        world.put("hidden0", f"{CANARY} beta canteen", "user:bob")
        assert compare() == []
        for uri in ("hidden0", "hidden1"):
            world.relabel(uri, "group:board")
        assert compare() == []
        world.put("hidden0", f"{CANARY} quarter", "user:bob")
        assert compare() == []
