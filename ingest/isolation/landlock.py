"""Landlock: which files a process may still reach. See landlock(7)."""

import ctypes
import os
import shutil
import struct
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from ingest.isolation.kernel import ConfinementFailed, libc

Restriction = Literal["files", "signals"]

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ, _RUN = _READ_FILE | _READ_DIR, _READ_FILE | _READ_DIR | _EXECUTE
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION, _PATH_BENEATH = 1, 1

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt/libreoffice")
_DATA = (
    "/etc/alternatives", "/etc/fonts", "/etc/java", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/libreoffice", "/etc/localtime", "/etc/mime.types", "/etc/magic", "/etc/timezone", "/var/cache/fontconfig",
    "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def landlock_version() -> int:
    """Of the kernel's interface; 0 if it has none, or if it is switched off."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def restrict_files(scratch: Path) -> frozenset[Restriction]:
    """Leaves this process the parsers and its scratch folder. Gives what the kernel has restricted.

    Raises ConfinementFailed.
    """
    version = landlock_version()
    if version < 1:
        return frozenset()
    handled = _handled_rights(version)
    ruleset = _make_ruleset(version, handled)
    if ruleset < 0:
        return frozenset()
    try:
        for path, rights in _allowed_paths(scratch):
            _add_rule(ruleset, path, rights & handled)
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            return frozenset()
        return frozenset({"files", "signals"} if version >= 6 else {"files"})
    finally:
        os.close(ruleset)


def _handled_rights(version: int) -> int:
    """What files are restricted in, by a kernel of this version."""
    later = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
    return ((1 << 13) - 1) | sum(right for since, right in later if version >= since)


def _make_ruleset(version: int, handled: int) -> int:
    """Its descriptor, below 0 if the kernel makes none. It restricts files, and the network and
    signals if the kernel can.
    """
    net = _BIND_TCP | _CONNECT_TCP
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = struct.pack("=QQQ", handled, net, scoped)[:size]
    return int(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))


def _allowed_paths(scratch: Path) -> Iterator[tuple[Path, int]]:
    everything = (1 << 16) - 1
    yield scratch, everything & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
    # pandoc comes in a wheel
    yield from ((path, _RUN) for path in (*map(Path, _PROGRAMS), *code_folders()))
    yield from ((Path(name), _READ) for name in _DATA)
    yield from ((Path(name), _READ_FILE | _WRITE_FILE) for name in _DEVICES)
    if office := shutil.which("soffice"):
        yield Path(office).resolve().parent.parent, _RUN
        # where it listens for a second start of itself, and nowhere else
        yield Path("/tmp"), _MAKE_SOCK


def _add_rule(ruleset: int, path: Path, rights: int) -> None:
    """What is not there needs no rule. Raises ConfinementFailed."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = struct.pack("=Qi", rights if path.is_dir() else rights & _OF_FILES, place)
        if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
            raise ConfinementFailed(f"a rule for {path}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(place)


@cache
def code_folders() -> tuple[Path, ...]:
    """Where the interpreter, its libraries and every package that is in use lie; never a folder
    above them.
    """
    wanted = {
        Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    wanted |= {Path(prefix) / "lib" for prefix in (sys.base_prefix, sys.base_exec_prefix)}
    for name, module in tuple(sys.modules.items()):
        if "." not in name:
            wanted |= set(_module_places(module))
    wanted = {path.resolve() for path in wanted}
    return tuple(sorted(path for path in wanted if wanted.isdisjoint(path.parents)))


def _module_places(module: object) -> Iterator[Path]:
    """Of a top-level module: its folders, or its file."""
    if folders := getattr(module, "__path__", None):
        yield from map(Path, folders)
    elif file := getattr(module, "__file__", None):
        yield Path(file)
