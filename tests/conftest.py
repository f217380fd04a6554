"""Fixtures that several test packages share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.model_server import MODELS, model_server_python, running_model_server


@pytest.fixture(scope="session")
def models() -> Path:
    """Where packaged models are kept unpacked, to be linked into a home: unpacking takes half a minute."""
    MODELS.mkdir(parents=True, exist_ok=True)
    return MODELS


@pytest.fixture(scope="session")
def model_server() -> Iterator[str]:
    """The base URL of a real vLLM with the small packaged model; started once for all tests that ask for it."""
    if not model_server_python().exists():
        missing = "No model server is installed; run: make setup-llm"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with running_model_server() as url:
        yield url
