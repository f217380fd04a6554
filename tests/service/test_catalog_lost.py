"""A catalog that is gone for a while is told as such, to whoever asks, and comes back by itself."""

import shutil
from pathlib import Path

from starlette.testclient import TestClient

from tests.databases import only_sqlite
from tests.service.conftest import House


@only_sqlite
def test_a_catalog_that_is_lost_is_a_problem_that_passes(
    house: House, http: TestClient, tmp_path: Path
) -> None:
    file = house.settings.home / "catalog.sqlite"
    asked = {"json": {"question": "soup"}, "headers": house.headers("ada")}
    before = http.post("/search", **asked)  # type: ignore[arg-type]
    assert before.status_code == 200
    shutil.move(file, tmp_path / "elsewhere")
    lost = http.post("/search", **asked)  # type: ignore[arg-type]
    assert lost.status_code == 503
    assert lost.headers["Content-Type"] == "application/problem+json"
    assert lost.json()["type"].endswith("catalog-unavailable")
    assert "Retry-After" in lost.headers
    assert "sqlite" not in lost.text
    shutil.move(tmp_path / "elsewhere", file)
    assert http.post("/search", **asked).json() == before.json()  # type: ignore[arg-type]
