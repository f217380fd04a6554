"""What is installed, and on which machine."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from indexes.catalog.sqlite_driver import SqliteDriver, remedy, sqlite_driver, written
from indexes.cli.doctor.findings import Check, Finding, advice, good, wrong
from indexes.embedder.processor import has_int8_instructions, processor_features
from indexes.settings import Settings
from indexes.version import DISTRIBUTION, installed_version

TESTED_PYTHONS = ((3, 11), (3, 13))
BIG_LIBRARIES = (
    "faiss-cpu", "fastapi", "numba", "numpy", "onnxruntime", "openvino", "pydantic", "pypdfium2", "SQLAlchemy",
    "sentence-transformers", "tokenizers", "torch", "transformers", "unstructured",
)  # fmt: skip
"""Those whose other versions may answer differently, or not at all."""
PINNED = Path(__file__).parents[3] / "constraints.txt"
"""Of a checkout: the versions that the tests run with."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library that is asked for."""

    name: str
    wanted: str  # as a requirement, such as ">=2.2"
    found: str | None  # None: it is not installed
    fits: bool
    pinned: str | None = None  # the version that the tests run with, if that is known


def judge_python(python: tuple[int, ...], system: str, machine: str) -> Finding:
    told = f"Clearance {installed_version()}, Python {written(python)}, {system} on {machine}."
    oldest, newest = TESTED_PYTHONS
    if system != "Linux":
        return wrong(
            told + " Only Linux can confine parsers.",
            "Run it on Linux, or in a container or virtual machine with Linux.",
        )
    if not oldest <= python[:2] <= newest:
        return advice(
            told,
            f"The tests run on Python {written(oldest)} to {written(newest)}: use one of these.",
        )
    return good(told)


def judge_libraries(libraries: Sequence[Library]) -> Finding:
    unfit = [
        f"{each.name}{each.wanted} ({each.found or 'not installed'})"
        for each in libraries
        if not each.fits
    ]
    if unfit:
        return wrong(
            f"Libraries that are asked for and not there: {', '.join(unfit)}.",
            "Install again: make setup, or pip install -c constraints.txt .",
        )
    other = [
        f"{each.name} {each.found} (tested: {each.pinned})"
        for each in libraries
        if each.pinned not in (None, each.found)
    ]
    if other:
        return advice(
            f"Other versions than those that the tests run with: {', '.join(other)}.",
            "Install with -c constraints.txt.",
        )
    return good(f"{len(libraries)} libraries are there in versions that fit.")


def judge_sqlite(driver: SqliteDriver, *, holds_catalog: bool) -> Finding:
    told = f"{driver.describe()}."
    if driver.is_safe:
        return good(told)
    told += " It may corrupt a catalog that several processes write."
    return wrong(told, remedy()) if holds_catalog else advice(told, remedy())


def judge_processor(machine: str, features: frozenset[str], *, int8: bool) -> Finding:
    """features: as the kernel names them; int8: whether it multiplies 8-bit numbers."""
    if machine == "x86_64" and features and "avx2" not in features:
        return advice(
            f"The processor ({machine}) has no AVX2: embedding and search are several times slower.",
            "Use a processor of the last ten years, or let a virtual machine see the real one.",
        )
    backend = "openvino, in 8 bits" if int8 else "openvino-float32"
    has = "multiplies" if int8 else "does not multiply"
    return good(
        f"The processor ({machine}) {has} 8-bit numbers: `auto` means {backend} for a new catalog."
    )


def read_libraries(requirements: Sequence[str], pinned: Mapping[str, str]) -> list[Library]:
    """What the distribution asks for on this machine, without its extras."""
    parsed = [Requirement(each) for each in requirements]
    return [
        _library_of(each, pinned)
        for each in parsed
        if each.marker is None or each.marker.evaluate({"extra": ""})
    ]


def read_pinned(file: Path) -> dict[str, str]:
    """Versions of the big libraries by name; nothing if there is no such file."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pins = dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    return {name: pins[name] for name in BIG_LIBRARIES if name in pins}


def _library_of(wanted: Requirement, pinned: Mapping[str, str]) -> Library:
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return Library(wanted.name, str(wanted.specifier), None, fits=False)
    fits = wanted.specifier.contains(found, prereleases=True)
    # a build for another processor is the same version: 2.13.0+cpu
    plain, pin = found.partition("+")[0], pinned.get(wanted.name)
    return Library(wanted.name, str(wanted.specifier), plain, fits, pin)


def _look_at_python(_settings: Settings) -> Finding:
    return judge_python(sys.version_info[:3], platform.system(), platform.machine())


def _look_at_libraries(_settings: Settings) -> Finding:
    asked_for = requires(DISTRIBUTION) or []
    return judge_libraries(read_libraries(asked_for, read_pinned(PINNED)))


def _look_at_sqlite(settings: Settings) -> Finding:
    holds_catalog = settings.catalog_url.startswith("sqlite")
    return judge_sqlite(sqlite_driver(), holds_catalog=holds_catalog)


def _look_at_processor(_settings: Settings) -> Finding:
    return judge_processor(os.uname().machine, processor_features(), int8=has_int8_instructions())


CHECKS = (
    Check("python", _look_at_python),
    Check("libraries", _look_at_libraries),
    Check("sqlite", _look_at_sqlite),
    Check("processor", _look_at_processor),
)
