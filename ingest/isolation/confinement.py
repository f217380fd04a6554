"""What a process may still do once a stranger's document is in its hands: read the parsers, write
its scratch folder.

A worker leaves the host (`leave_the_host`: namespaces of its own, and another user if it was root),
and every process that it forks for a document takes the rest away from itself (`confine`: Landlock,
no capability, a filter of system calls) before it looks at the document. The parts of the kernel
that do this have a module each: `landlock` and `seccomp`. Each step takes what the
kernel offers and notes what it got, and `Confinement` says whether that is enough. See
docs/decisions/0016-parsers-are-confined.md.
"""

import contextlib
import os
import resource
import signal
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ingest.isolation.kernel import ConfinementFailed, libc, prctl
from ingest.isolation.landlock import code_folders, landlock_version, restrict_files
from ingest.isolation.seccomp import filter_calls

Layer = Literal["files", "network", "calls", "processes", "signals", "user", "privileges", "forks"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
_LACKING: Mapping[Layer, str] = {
    "files": "files outside its folder can be read (the kernel has no Landlock)",
    "network": "the network can be used (the kernel allows neither a namespace nor a filter of system calls)",
    "calls": "system calls are not filtered",
    "processes": "other processes can be seen (no PID namespace can be made here)",
    "signals": "other processes of the same user can be signalled",
    "user": "they run as root",
    "privileges": "they keep root's right to read files, which only Landlock bounds (the programs lie where others may"
    " not read)",
    "forks": "how many processes one of them starts has no limit of its own",
}
MAX_PROCESSES = 96  # and threads: LibreOffice starts some dozens
FIRST_USER = 1_811_939_328  # plus a process number: ids that no system hands out
NOBODY = 65_534

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP = 1, 8, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_NEW_USER, _NEW_IPC, _NEW_PID, _NEW_NET = 0x10000000, 0x08000000, 0x20000000, 0x40000000
_CAPABILITIES_VERSION, _DAC_READ_SEARCH = 0x20080522, 1 << 2


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds a parsing process, as it reported before it was given a document."""

    held: frozenset[Layer]
    exposed: tuple[str, ...] = ()  # paths of the service that can still be read
    by_root: bool = False  # the service runs as root: then its parsers should not

    @property
    def missing(self) -> tuple[Layer, ...]:
        return tuple(
            layer
            for layer in LAYERS
            if layer not in self.held and (layer != "user" or self.by_root)
        )

    @property
    def enough(self) -> bool:
        """No secret in reach, no network.

        Another user without privileges cannot read what is the service's alone.
        """
        apart = "files" in self.held or {"user", "privileges"} <= self.held
        return apart and "network" in self.held and not self.exposed

    def describe(self) -> str:
        """One sentence for the operator."""
        lacks = [
            *(f"{path} can be read" for path in self.exposed),
            *(_LACKING[layer] for layer in self.missing),
        ]
        if not lacks:
            return "Parsers are confined."
        return f"Parsers {'are not fully' if self.enough else 'cannot be'} confined here: {'; '.join(lacks)}."

    def as_dict(self) -> dict[str, Any]:
        return {
            "held": [layer for layer in LAYERS if layer in self.held],
            "missing": list(self.missing),
            "exposed": list(self.exposed),
            "by_root": self.by_root,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Confinement":
        """From `as_dict`."""
        held = frozenset(layer for layer in LAYERS if layer in given["held"])
        return cls(held, tuple(map(str, given["exposed"])), bool(given["by_root"]))


@dataclass
class ConfinementProgress:
    """What has been reached so far, carried through the forks of one parsing process."""

    scratch: Path
    held: set[Layer] = field(default_factory=set)
    kept: int = 0  # capabilities that the process needs until its end
    own_process_space: bool = False  # then this process is followed by the first one in it
    by_root: bool = False


# Before the fork: other namespaces, another user


def leave_the_host(scratch: Path) -> ConfinementProgress:
    """New namespaces if the kernel gives them, and a user of its own for a process of root."""
    progress = ConfinementProgress(scratch, by_root=os.geteuid() == 0)
    if progress.by_root:
        _unshare(progress, 0)
        if _give_up_root(progress):
            progress.held |= {"user", "forks"}
    if not progress.own_process_space:
        _unshare(progress, _NEW_USER)
    return progress


def _unshare(progress: ConfinementProgress, user: int) -> None:
    """user: the flag for a user namespace, in which everybody may have the others; or 0."""
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(user | _NEW_NET | _NEW_PID | _NEW_IPC) == 0:
        progress.held |= {"network", "processes", "signals"}
        progress.own_process_space = True
    elif libc.unshare(user | _NEW_NET) == 0:
        progress.held.add("network")
    else:
        return
    # processes are counted apart in a user namespace; names mean there what they mean here
    if user:
        progress.held.add("forks")
        with contextlib.suppress(OSError):
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def _give_up_root(progress: ConfinementProgress) -> bool:
    """Gives up root.

    Where only root can reach the parsers, the right to read stays: Landlock bounds it.
    """
    keep = landlock_version() >= 1 and not all(
        map(_is_open_to_all, (*code_folders(), progress.scratch.parent))
    )
    for user in (FIRST_USER + os.getpid(), NOBODY):
        try:
            os.chown(progress.scratch, user, user)
            os.setgroups([])
            os.setresgid(user, user, user)
            prctl(_PR_SET_KEEPCAPS, int(keep))
            os.setresuid(user, user, user)
        except OSError:
            continue
        progress.kept = _DAC_READ_SEARCH if keep else 0
        _set_capabilities(progress.kept)
        return True
    return False


def _is_open_to_all(path: Path) -> bool:
    try:
        return all(
            place.stat().st_mode & 0o005 in (0o001, 0o005)
            for place in (path, *path.parents)
            if place.is_dir()
        )
    except OSError:
        return False


# After the fork: files, privileges, system calls


def die_with_parent() -> None:
    """The kernel ends this process when its parent ends. To be said again after a change of user."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def confine(progress: ConfinementProgress, out_of_reach: Sequence[Path]) -> Confinement:
    """Takes the rest away from this process and all it starts, for good.

    out_of_reach: paths of the service that must not be readable afterwards. One that is readable is
    reported as a lack. Raises ConfinementFailed for a step that cannot fail unless something is
    very wrong.
    """
    if not prctl(_PR_SET_NO_NEW_PRIVS, 1):
        raise ConfinementFailed("PR_SET_NO_NEW_PRIVS")
    if "forks" in progress.held:
        _limit_processes()
    progress.held |= restrict_files(progress.scratch)
    if _drop_capabilities(progress.kept) and not progress.kept:
        progress.held.add("privileges")
    only_process = None if "signals" in progress.held else os.getpid()
    if filter_calls(only_process=only_process):
        progress.held |= {"calls", "network", "signals"}
    if _is_readable(Path("/")):
        progress.held.discard("files")  # whatever the kernel said
    exposed = tuple(str(path) for path in out_of_reach if _is_readable(path))
    return Confinement(frozenset(progress.held), exposed, progress.by_root)


def _limit_processes() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = MAX_PROCESSES if hard == resource.RLIM_INFINITY else min(MAX_PROCESSES, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _is_readable(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _drop_capabilities(kept: int) -> bool:
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(64):
        prctl(_PR_CAPBSET_DROP, capability)
    return _set_capabilities(kept)


def _set_capabilities(kept: int) -> bool:
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    return bool(libc.capset(header, data) == 0)
