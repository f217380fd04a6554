"""The Markdown library of the page, as it is published: `python -m tools.page_library [--check]`.

The page loads nothing from elsewhere and has no build, so the library lies beside its other files.
This command fetches the package with npm, compares it with the checksum below and takes two files
out of it, unchanged. Another version is another line in `VERSION` and `INTEGRITY`, which `npm view
markdown-it dist.integrity` tells, and in `FILES`.

`--check` only compares the files that are here; the tests do the same.
"""

import argparse
import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "service" / "page"
VERSION = "15.0.3"
INTEGRITY = "sha512-+Az7Ojz3iRGu8KYMvJ6xVhvrxP3eE+vEtJX75Ow88XBpcQNV/0lGX5ZynIIBftREo4DC2jsveAMDaeltmm8QvQ=="


@dataclass(frozen=True, slots=True)
class Taken:
    """A file of the package, and what it is called here."""

    member: str
    name: str
    sha256: str


FILES = (
    Taken(
        "package/dist/browser/markdown-it.esm.min.mjs",
        "markdown-it.js",
        "d5432491790141da046b1197353705db03264f40b5727f3b4b591f5aba193e30",
    ),
    Taken(
        "package/LICENSE",
        "markdown-it.license.txt",
        "792c48c5a849a15fdf9e37e8bcf9e6d1dd13b32b46c642a748a0a46a9919d473",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args().check:
        fetch_library(PAGE)
    wrong = find_differences(PAGE)
    for name in wrong:
        print(f"{name} is not as it is published in markdown-it {VERSION}.", file=sys.stderr)
    sys.exit(1 if wrong else 0)


def find_differences(folder: Path) -> list[str]:
    """Names of the files of the library that are missing here, or are not as published."""
    return [
        file.name
        for file in FILES
        if not (folder / file.name).is_file()
        or hashlib.sha256((folder / file.name).read_bytes()).hexdigest() != file.sha256
    ]


def fetch_library(folder: Path) -> None:
    """Puts the files of the library into the folder. Raises ValueError if the package is another."""
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(
            ["npm", "pack", "--silent", f"markdown-it@{VERSION}"],
            cwd=work, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        package = next(Path(work).glob("*.tgz"))
        digest = hashlib.sha512(package.read_bytes()).digest()
        if f"sha512-{base64.b64encode(digest).decode()}" != INTEGRITY:
            raise ValueError(f"markdown-it {VERSION} is another package than it was.")
        with tarfile.open(package) as archive:
            for file in FILES:
                content = archive.extractfile(file.member)
                if content is None:
                    raise ValueError(f"{file.member} is no file.")
                (folder / file.name).write_bytes(content.read())


if __name__ == "__main__":
    main()
