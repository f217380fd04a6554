"""What this processor can do."""

from pathlib import Path

INT8_INSTRUCTIONS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""Processor features by which 8-bit numbers are multiplied exactly and fast. Without one, 8 bits are
slower than single precision; on ARM (i8mm) the library rounds more (docs/decisions/0003).
"""
PROCESSOR = Path("/proc/cpuinfo")


def has_int8_instructions() -> bool:
    """Whether this processor multiplies 8-bit numbers; False if it does not say."""
    return not INT8_INSTRUCTIONS.isdisjoint(processor_features())


def processor_features() -> frozenset[str]:
    """What the kernel says that it can do, in its words; nothing if it does not say.

    x86 calls the line `flags`, ARM `Features`.
    """
    try:
        lines = PROCESSOR.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    told = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(name for names in told for name in names.split())
