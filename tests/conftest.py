"""Fixtures that several test packages share, and how tests are dealt out to the workers of a
parallel run.
"""

import gc
import os
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.quick import QUICK
from tools.model_server import MODELS, model_server_python, running_model_server

WITH_MODEL_SERVER = ("test_budget", "test_examples", "test_http_real", "test_llm")
"""Files that ask the real model server.

One worker runs them all, so that there is one server, and one test at a time looks at its counters.
"""

# tests load the answer scorer only if it is their subject: it takes seconds
os.environ["CLEARANCE_ANSWER_SCORER"] = "words"

# no test fails because the machine is busy; the rest as the library chooses, here and in CI
settings.register_profile("untimed", parent=settings.default, deadline=None)
settings.load_profile("untimed")

_LONG = (
    "test_revocation",
    "test_postgres",
    "test_embedder",
    "test_embedding_backends",
    "test_kill",
    "test_tools",
    "test_weights",
)
"""They begin early, so that no worker is left with one of them in the end."""


class _ByFile(LoadScopeScheduling):  # type: ignore[misc] # it says nothing of its types
    """Tests of one file stay in one worker, for they share what is dear to set up."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "model server" if PurePosixPath(file).stem in WITH_MODEL_SERVER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    return _ByFile(config, log) if config.getvalue("dist") == "loadscope" else None


_SLOW = frozenset(
    Path(__file__).with_name("slow.txt").read_text(encoding="utf-8").split()
)  # see tools/slow_tests.py


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file, _, rest = item.nodeid.partition("::")
        slow = f"{file}::{rest.rpartition('::')[2].partition('[')[0]}" in _SLOW
        if slow and item.get_closest_marker("quick") is None:
            item.add_marker(pytest.mark.slow)
    order = {stem: place for place, stem in enumerate((*WITH_MODEL_SERVER, *_LONG))}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


_temporary = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Folders of tests are in memory and removed in the end, if no other place is asked for with
    --basetemp; the workers of a parallel run are given places in the same one.
    """
    if config.option.basetemp is None and QUICK is not None:
        folder = TemporaryDirectory(
            prefix="clearance-tests-", dir=QUICK, ignore_cleanup_errors=True
        )
        config.option.basetemp = _temporary.enter_context(folder)


def pytest_unconfigure() -> None:
    _temporary.close()


def pytest_collection_finish() -> None:
    """What all tests share stays until the end; without this the garbage collector goes through it
    again and again, and a tenth of the time with it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(autouse=True, scope="session")
def few_lists() -> None:
    """An empty FAISS index with room for as many reader sets as a service should have costs more
    than all that most tests do with it. It grows by itself.
    """
    from indexes.derived.vectors.faiss_store import FaissStore

    FaissStore.__init__.__kwdefaults__["lists"] = 256  # type: ignore[index] # it has some


@pytest.fixture(scope="session")
def models() -> Path:
    """Where packaged models are kept unpacked, to be linked into a home: unpacking takes half a
    minute.
    """
    MODELS.mkdir(parents=True, exist_ok=True)
    return MODELS


_server = ExitStack()


@pytest.fixture(scope="session")
def _model_server() -> str:
    if not model_server_python().exists():
        missing = "No model server is installed; run: make setup-llm"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return _server.enter_context(running_model_server())


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The server ends with the last test that asks it: even if nobody asks, it keeps a core busy."""
    if nextitem is None or nextitem.path.stem not in WITH_MODEL_SERVER:
        _server.close()


@pytest.fixture
def model_server(request: pytest.FixtureRequest) -> str:
    """The base URL of a real vLLM with the small packaged model; started once for all tests that
    ask for it.
    """
    assert request.path.stem in WITH_MODEL_SERVER, (
        "Name this file in WITH_MODEL_SERVER, or there are two servers."
    )
    url: str = request.getfixturevalue("_model_server")
    return url


@pytest.fixture(scope="session")
def patient() -> dict[str, float]:
    """Settings for a model server that shares its cores with other tests."""
    return {"llm_first_token_timeout_s": 300.0, "llm_total_timeout_s": 600.0}
