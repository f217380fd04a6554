"""Writers of several processes meet. `python -m tests.attack.writers` is the same, longer."""

import os
from pathlib import Path

import pytest

from tests.attack.writers import attack

SEED = int(os.environ.get("CLEARANCE_TEST_SEED", "1"))
WRITES = int(os.environ.get("ATTACK_WRITES", "400"))


@pytest.mark.timeout(900)
def test_writers_wait_for_each_other_and_what_they_were_told_adds_up(tmp_path: Path) -> None:
    told = attack(tmp_path, WRITES, SEED)
    assert told.wrong == [], f"CLEARANCE_TEST_SEED={SEED}"
    assert told.done > WRITES // 4
