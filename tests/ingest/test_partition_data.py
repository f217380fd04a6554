"""Real documents with known text, where the developer data is at hand."""

import json
import os
from pathlib import Path

import pytest

from bench import parsing

DATA = Path(os.environ.get("CLEARANCE_DATA", "../shared/data"))


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "docs").is_dir(), reason="the developer data is not there")
def test_known_text_is_found_in_its_place_and_every_broken_file_ends_in_its_error(tmp_path):
    out = tmp_path / "figures.json"
    assert parsing.main(["--data", str(DATA), "--no-ocr", "--json", str(out)]) == 0
    rows = {row["name"]: row for row in json.loads(out.read_text())["rows"]}
    with_text = [row for name, row in rows.items() if name not in ("scan", "legacy")]
    assert sum(row["found"] for row in with_text) >= 0.97 * sum(
        row["snippets"] for row in with_text
    )
    assert rows["scan"]["parsed"] <= 1  # one of them has a sentence of text beside its picture
