"""Calls of the kernel that Python has no function for."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class ConfinementFailed(Exception):
    """A step that must not fail has failed."""


def prctl(option: int, *arguments: int) -> bool:
    """Whether the kernel has done it: prctl(2)."""
    given = (*arguments, 0, 0, 0, 0)[:4]
    return bool(libc.prctl(option, *map(ctypes.c_ulong, given)) == 0)
