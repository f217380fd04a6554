"""The rooms of the house and the arrows between them: `python -m tools.rooms [--all]`.

A room is a module or a folder directly inside `service`, `indexes` or `ingest`. An arrow stands for
all imports from one room into another. The floors are those of the `layers` contracts in
`pyproject.toml`; an arrow that leads to a higher floor, or to another room of the same floor, runs
back. Ends with 1 if there is one, or a room on no floor.
"""

import argparse
import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("service", "indexes", "ingest")

Arrow = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--all", action="store_true", help="print every arrow, with how many imports it stands for"
    )
    given = parser.parse_args()
    rooms, arrows, floors = find_rooms(ROOT), find_arrows(ROOT), read_floors(ROOT)
    lost = sorted(rooms - floors.keys() - read_outside(ROOT))
    back = sorted(arrow for arrow in arrows if runs_back(arrow, floors))
    if given.all:
        for (start, end), count in sorted(arrows.items()):
            print(f"{start} -> {end} ({count})")
    print(f"{len(rooms)} rooms, {len(arrows)} arrows, {len(back)} that run back")
    for start, end in back:
        print(f"  {start} -> {end}")
    for room in lost:
        print(f"  {room} stands on no floor: name it in the layers of pyproject.toml")
    sys.exit(1 if back or lost else 0)


def find_rooms(root: Path) -> set[str]:
    """Every module and every folder directly inside a package."""
    found = {
        _room(file.relative_to(root).with_suffix("").parts)
        for package in PACKAGES
        for file in (root / package).rglob("*.py")
    }
    return found - set(PACKAGES)


def find_arrows(root: Path) -> dict[Arrow, int]:
    """How many imports lead from one room of a package into another room of the same package."""
    arrows: dict[Arrow, int] = defaultdict(int)
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            start = _room(file.relative_to(root).with_suffix("").parts)
            for imported in _imports(ast.parse(file.read_text(encoding="utf-8"))):
                end = _room(tuple(imported.split(".")))
                if end != start and "." in start and end.startswith(f"{package}."):
                    arrows[start, end] += 1
    return dict(arrows)


def read_floors(root: Path) -> dict[str, int]:
    """The floor of each room, 0 at the top, by the contracts."""
    floors: dict[str, int] = {}
    for container, contract in _read_layers(root):
        for number, layer in enumerate(contract["layers"]):
            floors.update((f"{container}.{room.strip()}", number) for room in layer.split("|"))
    return floors


def read_outside(root: Path) -> set[str]:
    """The rooms that the contracts put on no floor on purpose."""
    return {
        f"{container}.{room}"
        for container, contract in _read_layers(root)
        for room in contract.get("exhaustive_ignores", ())
    }


def _read_layers(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            yield from ((container, contract) for container in contract["containers"])


def runs_back(arrow: Arrow, floors: Mapping[str, int]) -> bool:
    """Rooms that are on no floor on purpose, such as `testing`, may look anywhere, and nothing of
    the product may look at them.
    """
    start, end = arrow
    if start not in floors:
        return False
    return end not in floors or floors[end] <= floors[start]


def _room(parts: tuple[str, ...]) -> str:
    return ".".join(part for part in parts[:2] if part != "__init__")


def _imports(tree: ast.Module) -> Iterator[str]:
    """Names of modules, and of what is taken from a package's own `__init__`, which may be a
    module, too.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in PACKAGES:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


if __name__ == "__main__":
    main()
