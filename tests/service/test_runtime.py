"""One place makes what answers, for callers and for measurements alike."""

import ast
from pathlib import Path

import pytest

import service

PACKAGE = Path(service.__file__).parent


def modules_that_call(name: str) -> set[str]:
    """The modules of the service, stand-ins aside, in which something of that name is called."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        module = file.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name in (
                getattr(node.func, "id", None),
                getattr(node.func, "attr", None),
            ):
                found.add(module)
    return {module for module in found if not module.startswith("testing/")}


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("Answerer", "runtime.py"),
        ("Searcher", "runtime.py"),
        ("EvidenceJudge", "runtime.py"),
        ("make_meaning", "runtime.py"),
        ("load_reranker", "runtime.py"),
        ("VllmModel", "llm/__init__.py"),
        ("KeysAndTokens", "app.py"),
    ],
)
def test_what_answers_is_made_in_one_place(name: str, home: str) -> None:
    assert modules_that_call(name) == {home}
