"""`python -m tools.lock`: writes docker/lock.txt, every package of the image with the hashes of its files.

The versions are those of constraints.txt. PyTorch and what only a GPU build of it brings are left out:
which build is wanted is said when the image is made. Files are looked for on the package index that pip
is set up with, never in folders of this machine, whose builds may be others of the same name.

`python -m tools.lock --base` asks the registry for the digest of the base image instead, and writes it
into docker/Dockerfile. That needs the registry and `docker buildx`, and has not been tried.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK, DOCKERFILE = ROOT / "docker" / "lock.txt", ROOT / "docker" / "Dockerfile"
PYTHON = "3.11.9"  # of the base image, or an older patch of it
MACHINES = ("x86_64", "aarch64")
GLIBC = (17, 24, 26, 27, 28, 31, 34, 35, 36)  # 2.x: what Debian 12 runs
BUILD = "setuptools>=77"
OF_TORCH = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
HEAD = """\
# Every package of the image for Python 3.11, with the hashes of its files. Written by: python -m tools.lock
# PyTorch is installed beside it (see docker/Dockerfile).
"""
FROM = re.compile(r"^FROM (python:[\w.-]+)(@sha256:[0-9a-f]{64})? AS base$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Locked:
    """One package for one machine."""

    name: str
    version: str
    sha256: str


def lines_of(found: Mapping[str, Sequence[Locked]]) -> list[str]:
    """Of a lock file, from what each machine needs. What some need alone has a condition."""
    names = sorted({each.name for some in found.values() for each in some})
    lines = []
    for name in names:
        by_machine = {
            machine: each for machine, some in found.items() for each in some if each.name == name
        }
        versions = {each.version for each in by_machine.values()}
        if len(versions) != 1:
            raise SystemExit(f"{name} has different versions on different machines: {versions}")
        where = "" if len(by_machine) == len(found) else _condition(list(by_machine))
        hashes = sorted({each.sha256 for each in by_machine.values()})
        told = " ".join(f"--hash=sha256:{each}" for each in hashes)
        lines.append(f"{name}=={versions.pop()}{where} {told}")
    return lines


def _condition(machines: Sequence[str]) -> str:
    return " ; " + " or ".join(f"platform_machine == '{each}'" for each in machines)


def wanted_on(machine: str, requirements: Sequence[str]) -> list[str]:
    """The requirements that hold on such a machine with Linux, without their conditions."""
    there = {"platform_machine": machine, "sys_platform": "linux", "extra": ""}
    found = []
    for each in map(Requirement, requirements):
        if each.marker is None or each.marker.evaluate(there):
            extras = f"[{','.join(sorted(each.extras))}]" if each.extras else ""
            found.append(f"{each.name}{extras}{each.specifier}")
    return found


def pinned_image(dockerfile: str, digest: str) -> str:
    """The Dockerfile with the base image at this digest."""
    text, count = FROM.subn(rf"FROM \1@{digest} AS base", dockerfile)
    if count != 1 or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise SystemExit("docker/Dockerfile has no base image to pin, or that is no digest.")
    return text


def _lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["postgres"], BUILD]
    everywhere = _resolve(wanted_on(MACHINES[0], asked), MACHINES[0])
    found = {MACHINES[0]: everywhere}
    only_there = {
        canonicalize_name(Requirement(each).name) for each in wanted_on(MACHINES[0], asked)
    }
    for machine in MACHINES[1:]:
        here = wanted_on(machine, asked)
        names = {canonicalize_name(Requirement(each).name) for each in here}
        same = [e for e in everywhere if e.name in names or e.name not in only_there]
        more = [
            each for each in here if canonicalize_name(Requirement(each).name) not in only_there
        ]
        exact = [f"{each.name}=={each.version}" for each in same]
        found[machine] = _resolve([*exact, *more], machine, complete=True)
    LOCK.write_text(HEAD + "\n".join(lines_of(found)) + "\n", encoding="utf-8")
    print(f"{LOCK.relative_to(ROOT)}: {', '.join(f'{len(v)} for {k}' for k, v in found.items())}")


def _resolve(wanted: Sequence[str], machine: str, *, complete: bool = False) -> list[Locked]:
    """complete: what is wanted is all that is needed."""
    options = [f"--platform={each}_{machine}" for each in _platforms()] if complete else []
    options += ["--no-deps", f"--python-version={PYTHON}"] if complete else []
    with TemporaryDirectory() as folder:
        asked, report = Path(folder, "asked.txt"), Path(folder, "report.json")
        asked.write_text("\n".join(wanted), encoding="utf-8")
        command = [
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--prefer-binary",
            "--disable-pip-version-check", f"--report={report}", f"--constraint={ROOT / 'constraints.txt'}",
            f"--target={folder}/none", *options, f"--requirement={asked}",
        ]  # fmt: skip
        subprocess.run(command, check=True, env=_index_alone(os.environ))
        told = json.loads(report.read_text(encoding="utf-8"))
    locked = [_locked_of(each) for each in told["install"]]
    return [each for each in locked if not OF_TORCH.fullmatch(each.name)]


def _platforms() -> list[str]:
    return [*(f"manylinux_2_{minor}" for minor in GLIBC), "manylinux2014", "linux"]


def _locked_of(told: Mapping[str, Any]) -> Locked:
    about = told["metadata"]
    digest = told["download_info"]["archive_info"]["hashes"]["sha256"]
    return Locked(canonicalize_name(about["name"]), about["version"], digest)


def _index_alone(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without folders of packages on this machine."""
    local = ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT")
    return {**{k: v for k, v in environ.items() if k not in local}, "PIP_CONFIG_FILE": os.devnull}


def _pin_base() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    image = FROM.search(text)
    if image is None:
        raise SystemExit("docker/Dockerfile has no base image to pin.")
    template = "{{.Manifest.Digest}}"
    ask = ["docker", "buildx", "imagetools", "inspect", image[1], "--format", template]
    done = subprocess.run(ask, check=True, capture_output=True, text=True)
    DOCKERFILE.write_text(pinned_image(text, done.stdout.strip()), encoding="utf-8")
    print(f"{image[1]} is pinned to {done.stdout.strip()}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", action="store_true", help="pin the base image (untried)")
    _pin_base() if parser.parse_args().base else _lock()
