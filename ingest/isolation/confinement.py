"""What a process may still do once a stranger's document is in its hands: read the parsers, write
its scratch folder.

A worker leaves the host (`leave_the_host`: namespaces of its own, and another user if it was root),
and every process that it forks for a document takes the rest away from itself (`confine`: Landlock,
no capability, a filter of system calls) before it looks at the document. Each step takes what the
kernel offers and notes what it got, and `Confinement` says whether that is enough. See
docs/decisions/0016-parsers-are-confined.md.
"""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import shutil
import signal
import struct
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

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

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 8, 22, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_NEW_USER, _NEW_IPC, _NEW_PID, _NEW_NET = 0x10000000, 0x08000000, 0x20000000, 0x40000000
_ANY_NAMESPACE = 0x7E020000  # for clone: mount, cgroup, UTS, IPC, user, PID, network
_CAPABILITIES_VERSION, _DAC_READ_SEARCH = 0x20080522, 1 << 2


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _prctl(option: int, *arguments: int) -> bool:
    given = (*arguments, 0, 0, 0, 0)[:4]
    return bool(_libc.prctl(option, *map(ctypes.c_ulong, given)) == 0)


class ConfinementFailed(Exception):
    """A step that must not fail has failed."""


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

    def described(self) -> str:
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
    def told(cls, given: Mapping[str, Any]) -> "Confinement":
        """From `as_dict`."""
        held = frozenset(layer for layer in LAYERS if layer in given["held"])
        return cls(held, tuple(map(str, given["exposed"])), bool(given["by_root"]))


@dataclass
class Progress:
    """What has been reached so far, carried through the forks of one parsing process."""

    scratch: Path
    held: set[Layer] = field(default_factory=set)
    kept: int = 0  # capabilities that the process needs until its end
    own_process_space: bool = False  # then this process is followed by the first one in it
    by_root: bool = False


# Before the fork: other namespaces, another user


def leave_the_host(scratch: Path) -> Progress:
    """New namespaces where the kernel gives them, and a user of its own for a process of root."""
    progress = Progress(scratch, by_root=os.geteuid() == 0)
    if progress.by_root:
        _unshare(progress, 0)
        if _become_somebody_else(progress):
            progress.held |= {"user", "forks"}
    if not progress.own_process_space:
        _unshare(progress, _NEW_USER)
    return progress


def _unshare(progress: Progress, user: int) -> None:
    """user: the flag for a user namespace, in which everybody may have the others; 0: without one."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(user | _NEW_NET | _NEW_PID | _NEW_IPC) == 0:
        progress.held |= {"network", "processes", "signals"}
        progress.own_process_space = True
    elif _libc.unshare(user | _NEW_NET) == 0:
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


def _become_somebody_else(progress: Progress) -> bool:
    """Gives up root.

    Where only root can reach the parsers, the right to read stays: Landlock bounds it.
    """
    keep = landlock_version() >= 1 and not all(
        map(_open_to_all, (*code(), progress.scratch.parent))
    )
    for user in (FIRST_USER + os.getpid(), NOBODY):
        try:
            os.chown(progress.scratch, user, user)
            os.setgroups([])
            os.setresgid(user, user, user)
            _prctl(_PR_SET_KEEPCAPS, int(keep))
            os.setresuid(user, user, user)
        except OSError:
            continue
        progress.kept = _DAC_READ_SEARCH if keep else 0
        _set_capabilities(progress.kept)
        return True
    return False


def _open_to_all(path: Path) -> bool:
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
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def confine(progress: Progress, out_of_reach: Sequence[Path]) -> Confinement:
    """Takes the rest away from this process and all it starts, for good.

    out_of_reach: paths of the service that must not be readable afterwards; where one is, that is
    told as a lack. Raises ConfinementFailed for a step that cannot fail unless something is very
    wrong.
    """
    if not _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        raise ConfinementFailed("PR_SET_NO_NEW_PRIVS")
    if "forks" in progress.held:
        _limit_processes()
    _restrict_files(progress)
    if _drop_capabilities(progress.kept) and not progress.kept:
        progress.held.add("privileges")
    if _filter_calls(progress):
        progress.held |= {"calls", "network", "signals"}
    if _readable(Path("/")):
        progress.held.discard("files")  # whatever the kernel said
    exposed = tuple(str(path) for path in out_of_reach if _readable(path))
    return Confinement(frozenset(progress.held), exposed, progress.by_root)


def _limit_processes() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = MAX_PROCESSES if hard == resource.RLIM_INFINITY else min(MAX_PROCESSES, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _readable(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _drop_capabilities(kept: int) -> bool:
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(64):
        _prctl(_PR_CAPBSET_DROP, capability)
    return _set_capabilities(kept)


def _set_capabilities(kept: int) -> bool:
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    return bool(_libc.capset(header, data) == 0)


# Landlock: landlock(7)

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
    """Of the kernel's interface; 0 where it has none, or where it is switched off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def _restrict_files(progress: Progress) -> None:
    version = landlock_version()
    if version < 1:
        return
    handled = (1 << 13) - 1
    handled |= sum(
        right for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)) if version >= since
    )
    net = _BIND_TCP | _CONNECT_TCP
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS
    attributes = struct.pack("=QQQ", handled, net, scoped)[
        : 24 if version >= 6 else 16 if version >= 4 else 8
    ]
    ruleset = _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return
    try:
        for path, rights in _allowed(progress.scratch):
            _allow(ruleset, path, rights & handled)
        if _libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0:
            progress.held |= {"files", "signals"} if version >= 6 else {"files"}
    finally:
        os.close(ruleset)


def _allowed(scratch: Path) -> Iterator[tuple[Path, int]]:
    everything = (1 << 16) - 1
    yield scratch, everything & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
    # pandoc comes in a wheel
    yield from ((path, _RUN) for path in (*map(Path, _PROGRAMS), *code()))
    yield from ((Path(name), _READ) for name in _DATA)
    yield from ((Path(name), _READ_FILE | _WRITE_FILE) for name in _DEVICES)
    if office := shutil.which("soffice"):
        yield Path(office).resolve().parent.parent, _RUN
        # where it listens for a second start of itself, and nowhere else
        yield Path("/tmp"), _MAKE_SOCK


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """What is not there needs no rule. Raises ConfinementFailed."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = struct.pack("=Qi", rights if path.is_dir() else rights & _OF_FILES, place)
        if _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
            raise ConfinementFailed(f"a rule for {path}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(place)


@cache
def code() -> tuple[Path, ...]:
    """Where the interpreter, its libraries and every package that is in use lie; never a folder
    above them.
    """
    wanted = {
        Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    wanted |= {Path(prefix) / "lib" for prefix in (sys.base_prefix, sys.base_exec_prefix)}
    for name, module in tuple(sys.modules.items()):
        if "." not in name:
            wanted |= set(_places(module))
    wanted = {path.resolve() for path in wanted}
    return tuple(sorted(path for path in wanted if wanted.isdisjoint(path.parents)))


def _places(module: object) -> Iterator[Path]:
    """Of a top-level module: its folders, or its file."""
    if folders := getattr(module, "__path__", None):
        yield from map(Path, folders)
    elif file := getattr(module, "__file__", None):
        yield Path(file)


# seccomp: seccomp(2)

_X86 = {
    "audit": 0xC000003E,
    "clone": 56,
    "clone3": 435,
    "socket": 41,
    "socketpair": 53,
    "ioctl": 16,
    "tgkill": 234,
}
_ARM = {
    "audit": 0xC00000B7,
    "clone": 220,
    "clone3": 435,
    "socket": 198,
    "socketpair": 199,
    "ioctl": 29,
    "tgkill": 131,
}
_REFUSED: Mapping[str, tuple[int | None, int | None]] = {  # on x86_64, on aarch64
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # programs behind a socket with a path, which Landlock does not hide
    "connect": (42, 203),
    # files without opening them: Landlock does not look at these
    "truncate": (76, 45), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "file_setattr": (469, 469),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "lookup_dcookie": (212, 18),
    # another view of the system
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "open_tree_attr": (467, 467), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "statmount": (457, 457),
    "listmount": (458, 458), "setns": (308, 268), "unshare": (272, 97),
    # doors into the kernel that no parser needs
    "bpf": (321, 280), "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "modify_ldt": (154, None), "memfd_secret": (447, 447), "uselib": (134, None),
    "personality": (135, 92), "vmsplice": (278, 75), "syslog": (103, 116), "acct": (163, 89),
    # what other programs share
    "msgget": (68, 186), "semget": (64, 190), "shmget": (29, 194), "mq_open": (240, 180),
    # the machine
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "vhangup": (153, 58), "nfsservctl": (180, 42),
}  # fmt: skip
_SIGNALLING = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}
_X32 = 0x40000000  # from here on, another numbering of the same calls
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing for somebody else
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE = 1, 1, 0xF

_MODE_FILTER = 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
Program = list[tuple[int, int, int, int]]  # code, jump if true, jump if false, value


def _filter_calls(progress: Progress) -> bool:
    machine = platform.machine()
    if struct.calcsize("P") != 8 or machine not in ("x86_64", "aarch64"):
        return False
    program = call_filter(
        machine,
        sockets=shutil.which("soffice") is not None,
        only_process=None if "signals" in progress.held else os.getpid(),
    )
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    held = ctypes.create_string_buffer(code, len(code))
    given = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(held)))
    return _prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(given))


def call_filter(machine: str, *, sockets: bool, only_process: int | None) -> Program:
    """The filter, for the kernel. All that is not refused is allowed.

    sockets: whether local sockets may be made (LibreOffice wants one to listen at; nobody can
    connect to it). only_process: signals go to this process only, where nothing else keeps them in;
    None: something does.
    """
    column, calls = (0, _X86) if machine == "x86_64" else (1, _ARM)
    refused = [*_REFUSED.values(), *(() if only_process is None else _SIGNALLING.values())]
    program: Program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, calls["audit"]),
        (_RETURN, 0, 0, _KILL),
    ]
    program.append((_LOAD, 0, 0, _NUMBER_AT))
    if machine == "x86_64":
        program += [(_AT_LEAST, 0, 1, _X32), _error(errno.EPERM)]
    for numbers in refused:
        if (number := numbers[column]) is not None:
            program += [(_EQUAL, 0, 1, number), _error(errno.EPERM)]
    # its flags cannot be seen; callers use clone
    program += [(_EQUAL, 0, 1, calls["clone3"]), _error(errno.ENOSYS)]
    program += _of(
        calls["clone"], [_argument(0), (_ANY_BIT, 0, 1, _ANY_NAMESPACE), _error(errno.EPERM)]
    )
    typing = [
        line
        for command in _TERMINAL_INPUT
        for line in ((_EQUAL, 0, 1, command), _error(errno.EPERM))
    ]
    program += _of(calls["ioctl"], [_argument(1), *typing])
    streams: Program = [
        _argument(0), (_EQUAL, 1, 0, _AF_UNIX), _error(errno.EPERM),
        _argument(1), (_AND, 0, 0, _SOCK_TYPE), (_EQUAL, 1, 0, _SOCK_STREAM), _error(errno.EPERM),
    ]  # fmt: skip
    program += _of(calls["socketpair"], streams)
    program += _of(calls["socket"], streams if sockets else [_error(errno.EPERM)])
    if only_process is not None:
        program += _of(
            calls["tgkill"], [_argument(0), (_EQUAL, 1, 0, only_process), _error(errno.EPERM)]
        )
    program.append((_RETURN, 0, 0, _ALLOW))
    return program


def _of(number: int, lines: Program) -> Program:
    """Lines for one call; where they refuse nothing, it is allowed."""
    body = [*lines, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]


def _error(number: int) -> tuple[int, int, int, int]:
    return _RETURN, 0, 0, _ERROR | number


def _argument(number: int) -> tuple[int, int, int, int]:
    """Loads the lower half, which is all that the kernel reads of an int; both machines put it
    first.
    """
    return _LOAD, 0, 0, _ARGUMENTS_AT + 8 * number
