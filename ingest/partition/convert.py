"""Old binary Office files through LibreOffice, where the machine has it."""

import os
import shutil
import subprocess
from pathlib import Path

from indexes.errors import SourceBroken, SourceRefused
from ingest.partition.work import Work

CONVERT_TIMEOUT_S = 90.0
TARGETS = {"doc": "docx", "ppt": "pptx"}
_PACKAGES = "libreoffice-writer-nogui and libreoffice-impress-nogui"


def modernise(path: Path, name: str, work: Work) -> Path:
    """The same document in today's format, in the scratch folder.

    Raises SourceRefused without LibreOffice, SourceBroken.
    """
    program = shutil.which("soffice")
    if program is None:
        raise SourceRefused(
            f"Reading .{name} files needs LibreOffice, which is not installed.",
            remedy=f"Install {_PACKAGES}, or save the file as .{TARGETS[name]}.",
        )
    profile, out = work.scratch / "profile", work.scratch / "converted"
    source = work.scratch / f"source.{name}"  # a name of our own: the given one could look like an option
    shutil.copyfile(path, source)
    command = [
        program, "--headless", "--norestore", "--nolockcheck", f"-env:UserInstallation={profile.as_uri()}",
        "--convert-to", TARGETS[name], "--outdir", str(out), str(source),
    ]  # fmt: skip
    scratch = str(work.scratch)
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": scratch,
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
    }
    try:
        subprocess.run(command, env=environment, timeout=CONVERT_TIMEOUT_S, capture_output=True, check=False)
    except subprocess.TimeoutExpired as error:
        raise SourceBroken(f"LibreOffice did not convert it in {CONVERT_TIMEOUT_S:.0f} seconds.") from error
    converted = out / f"source.{TARGETS[name]}"
    if not converted.is_file():
        raise SourceBroken("LibreOffice cannot read it.")
    return converted
