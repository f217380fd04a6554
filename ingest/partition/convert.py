"""Old binary Office files through LibreOffice, if the machine has it."""

import os
import shutil
import subprocess
from pathlib import Path

from indexes.errors import SourceBroken, SourceRefused
from ingest.partition.context import ParseContext

CONVERT_TIMEOUT_S = 90.0
TARGETS = {"doc": "docx", "ppt": "pptx"}
_PACKAGES = "libreoffice-writer-nogui and libreoffice-impress-nogui"


def convert_office_file(path: Path, name: str, work: ParseContext) -> Path:
    """The same document in today's format, in the scratch folder.

    Raises SourceRefused without LibreOffice, SourceBroken.
    """
    program = shutil.which("soffice")
    if program is None:
        raise SourceRefused(
            f"Reading .{name} files needs LibreOffice, which is not installed.",
            remedy=f"Install {_PACKAGES}, or save the file as .{TARGETS[name]}.",
        )
    source, out = work.scratch / f"source.{name}", work.scratch / "converted"
    # under a name of our own: the given one could look like an option
    shutil.copyfile(path, source)
    first, second = work.scratch / "profile", work.scratch / "used-profile"
    _run_office(program, source, out, first, work.scratch)
    if not out.is_dir() and first.is_dir():
        # With a new profile it starts twice, and confined, the second start cannot take over the
        # socket of the first. A profile that has been set up has one start, and by another name
        # another socket.
        first.rename(second)
        _run_office(program, source, out, second, work.scratch)
    converted = out / f"source.{TARGETS[name]}"
    if not converted.is_file():
        raise SourceBroken("LibreOffice cannot read it.")
    return converted


def _run_office(program: str, source: Path, out: Path, profile: Path, scratch: Path) -> None:
    command = [
        program, "--headless", "--norestore", "--nolockcheck", f"-env:UserInstallation={profile.as_uri()}",
        "--convert-to", TARGETS[source.suffix.removeprefix(".")], "--outdir", str(out), str(source),
    ]  # fmt: skip
    programs, home = os.environ.get("PATH", "/usr/bin:/bin"), str(scratch)
    environment = {"PATH": programs, "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
    try:
        subprocess.run(
            command, env=environment, timeout=CONVERT_TIMEOUT_S, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SourceBroken(
            f"LibreOffice did not convert it in {CONVERT_TIMEOUT_S:.0f} seconds."
        ) from error
