"""Fixtures that several test packages share, and how tests are dealt out to the workers of a
parallel run.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

from tools.model_server import MODELS, model_server_python, running_model_server

WITH_MODEL_SERVER = ("test_budget", "test_examples", "test_http_real", "test_llm")
"""Files that ask the real model server.

One worker runs them all, so that there is one server, and one test at a time looks at its counters.
"""

_LONG = (
    "test_revocation",
    "test_postgres",
    "test_embedder",
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {stem: place for place, stem in enumerate((*WITH_MODEL_SERVER, *_LONG))}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session")
def models() -> Path:
    """Where packaged models are kept unpacked, to be linked into a home: unpacking takes half a
    minute.
    """
    MODELS.mkdir(parents=True, exist_ok=True)
    return MODELS


@pytest.fixture(scope="session")
def _model_server() -> Iterator[str]:
    if not model_server_python().exists():
        missing = "No model server is installed; run: make setup-llm"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with running_model_server() as url:
        yield url


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
