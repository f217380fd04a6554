"""seccomp: which system calls a process may still make. See seccomp(2)."""

import ctypes
import errno
import platform
import shutil
import struct
from collections.abc import Mapping

from ingest.isolation.kernel import prctl

_PR_SET_SECCOMP = 22
_ANY_NAMESPACE = 0x7E020000  # for clone: mount, cgroup, UTS, IPC, user, PID, network
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


def filter_calls(*, only_process: int | None) -> bool:
    """Whether the kernel refuses, from now on, the system calls that no parser needs.

    only_process: as for `call_filter`.
    """
    machine = platform.machine()
    if struct.calcsize("P") != 8 or machine not in ("x86_64", "aarch64"):
        return False
    sockets = shutil.which("soffice") is not None
    program = call_filter(machine, sockets=sockets, only_process=only_process)
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    held = ctypes.create_string_buffer(code, len(code))
    given = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(held)))
    return prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(given))


def call_filter(machine: str, *, sockets: bool, only_process: int | None) -> Program:
    """The filter, for the kernel. All that is not refused is allowed.

    sockets: whether local sockets may be made (LibreOffice wants one to listen at; nobody can
    connect to it). only_process: signals may go to this process only. If None, something else
    keeps signals in already.
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
        program += [(_AT_LEAST, 0, 1, _X32), _refuse(errno.EPERM)]
    for numbers in refused:
        if (number := numbers[column]) is not None:
            program += [(_EQUAL, 0, 1, number), _refuse(errno.EPERM)]
    # its flags cannot be seen; callers use clone
    program += [(_EQUAL, 0, 1, calls["clone3"]), _refuse(errno.ENOSYS)]
    program += _for_call(
        calls["clone"], [_load_argument(0), (_ANY_BIT, 0, 1, _ANY_NAMESPACE), _refuse(errno.EPERM)]
    )
    typing = [
        line
        for command in _TERMINAL_INPUT
        for line in ((_EQUAL, 0, 1, command), _refuse(errno.EPERM))
    ]
    program += _for_call(calls["ioctl"], [_load_argument(1), *typing])
    streams: Program = [
        _load_argument(0), (_EQUAL, 1, 0, _AF_UNIX), _refuse(errno.EPERM),
        _load_argument(1), (_AND, 0, 0, _SOCK_TYPE), (_EQUAL, 1, 0, _SOCK_STREAM), _refuse(errno.EPERM),
    ]  # fmt: skip
    program += _for_call(calls["socketpair"], streams)
    program += _for_call(calls["socket"], streams if sockets else [_refuse(errno.EPERM)])
    if only_process is not None:
        program += _for_call(
            calls["tgkill"], [_load_argument(0), (_EQUAL, 1, 0, only_process), _refuse(errno.EPERM)]
        )
    program.append((_RETURN, 0, 0, _ALLOW))
    return program


def _for_call(number: int, lines: Program) -> Program:
    """Lines for one call. If they refuse nothing, it is allowed."""
    body = [*lines, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]


def _refuse(number: int) -> tuple[int, int, int, int]:
    return _RETURN, 0, 0, _ERROR | number


def _load_argument(number: int) -> tuple[int, int, int, int]:
    """Loads the lower half, which is all that the kernel reads of an int; both machines put it
    first.
    """
    return _LOAD, 0, 0, _ARGUMENTS_AT + 8 * number
