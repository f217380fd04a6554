"""Where homes of tests with thousands of commits live: each is synced, and a disk would take most
of the time.
"""

from pathlib import Path

_MEMORY = Path("/dev/shm")
QUICK = str(_MEMORY) if _MEMORY.is_dir() else None
"""In memory where the machine has that; None: wherever temporary files are."""
