"""What this processor can do."""

from pathlib import Path

INT8_INSTRUCTIONS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"})
"""Processor features that multiply 8-bit numbers. Without one, 8 bits are slower than single
precision (docs/decisions/0003).
"""
PROCESSOR = Path("/proc/cpuinfo")


def has_int8_instructions() -> bool:
    """Whether this processor multiplies 8-bit numbers; False if it does not say."""
    try:
        lines = PROCESSOR.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    told = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return any(not INT8_INSTRUCTIONS.isdisjoint(names.split()) for names in told)
