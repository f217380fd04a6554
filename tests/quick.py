"""Where homes of tests live: each commit is synced, and a disk would take a quarter of the time."""

import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM = 4 * 1024**3

QUICK = str(_MEMORY) if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM else None
"""In memory if the machine has that and room in it; None: wherever temporary files are."""
