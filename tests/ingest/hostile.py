"""A parser that does what its document says, for a document that says: attack."""

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ingest.elements import Element, Parsed, ParseOptions

_libc = ctypes.CDLL(None, use_errno=True)


def attack(path: Path, options: ParseOptions, page_read: Callable[[], None]) -> Parsed:
    deed, *arguments = path.read_text(encoding="utf-8").split("\n")
    element = Element(kind="text", text=attempt(deed, *arguments))
    return Parsed(
        title=None, elements=(element,), media_type="text/plain", language=None, page_kind=None
    )


def attempt(deed: str, *arguments: str) -> str:
    """`done`, with what was found, or the error that it met."""
    try:
        return f"done {_DEEDS[deed](*arguments) or ''}".strip()
    except OSError as error:
        return f"{type(error).__name__} {error}"


def _call(number: int, *arguments: object) -> int:
    """A system call by its number on x86_64. Raises OSError."""
    found: int = _libc.syscall(number, *arguments)
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return found


def _write(path: str) -> None:
    Path(path).write_text("was here", encoding="utf-8")


def _link(path: str) -> str:
    os.link(path, "linked")
    return Path("linked").read_text(encoding="utf-8")


def _rename_over(path: str) -> None:
    Path("mine").write_text("x", encoding="utf-8")
    Path("mine").rename(path)


def _leave_behind(text: str) -> None:
    _write("left")
    Path("folder").mkdir()
    (Path("folder") / "left").write_text(text, encoding="utf-8")
    subprocess.Popen(["sleep", "3600"], start_new_session=True)


def _look_around() -> str:
    return " ".join(sorted(place.name for place in Path().iterdir()))


def _memory_of(pid: str) -> str:
    with Path(f"/proc/{pid}/mem").open("rb") as file:
        return str(file.fileno())


def _process_vm_read(pid: str) -> None:
    held = ctypes.create_string_buffer(8)
    here = (ctypes.c_size_t * 2)(ctypes.addressof(held), 8)
    _call(310, int(pid), here, 1, here, 1, 0)


def _connect(kind: int, family: int, address: object) -> None:
    with socket.socket(family, kind) as made:
        made.connect(address)  # type: ignore[arg-type]


def _datagram(path: str) -> None:
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", path)


def _fork_bomb(most: str) -> str:
    started = 0
    for _ in range(int(most)):
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            os.setsid()
            time.sleep(600)
            os._exit(0)
        started += 1
    return str(started)


def _run_own() -> None:
    place = Path("program")
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT, 0o700), "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho ran\n")
    subprocess.run([place.absolute()], check=True)


def _status() -> str:
    """As numbers: user, effective capabilities, whether new privileges are off, mode of the filter."""
    data = (ctypes.c_uint32 * 6)()
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call(125, header, data)
    return f"{os.geteuid()} {data[0] | data[3] << 32:x} {_libc.prctl(39, 0, 0, 0, 0)} {_libc.prctl(21, 0, 0, 0, 0)}"


_DEEDS: dict[str, Callable[..., object]] = {
    "read": lambda path: Path(path).read_text(encoding="utf-8"),
    "write": _write,
    "truncate": lambda path: os.truncate(path, 0),
    "remove": lambda path: Path(path).unlink(),
    "chmod": lambda path: Path(path).chmod(0o600),
    "list": lambda path: len(list(Path(path).iterdir())),
    "list-parent": lambda path: len(list(Path(path).parent.iterdir())),
    "link": _link,
    "rename-over": _rename_over,
    "leave-behind": _leave_behind,
    "look-around": _look_around,
    "own-environment": lambda: "\n".join(f"{name}={value}" for name, value in os.environ.items()),
    "environment-of": lambda pid: Path(f"/proc/{pid}/environ").read_text(encoding="utf-8"),
    "memory-of": _memory_of,
    "ptrace": lambda pid: _call(101, 16, int(pid), 0, 0),
    "process-vm-read": _process_vm_read,
    "signal": lambda pid: os.kill(int(pid), 0),
    "signal-thread": lambda pid: _call(200, int(pid), 0),
    "pidfd": lambda pid: os.pidfd_open(int(pid)),
    "tcp": lambda port: _connect(socket.SOCK_STREAM, socket.AF_INET, ("127.0.0.1", int(port))),
    "udp": lambda port: _connect(socket.SOCK_DGRAM, socket.AF_INET, ("127.0.0.1", int(port))),
    "unix": lambda path: _connect(socket.SOCK_STREAM, socket.AF_UNIX, path),
    "datagram": _datagram,
    "raw": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "run-own": _run_own,
    "fork-bomb": _fork_bomb,
    "mount": lambda: _call(165, b"none", b"/tmp", b"tmpfs", 0, None),
    "unshare-user": lambda: _call(272, 0x10000000),
    "unshare-network": lambda: _call(272, 0x40000000),
    "bpf": lambda: _call(321, 0, None, 0),
    "io-uring": lambda: _call(425, 1, None),
    "userfaultfd": lambda: _call(323, 0),
    "keyring": lambda: _call(250, 0, -3, 1),
    "chroot": lambda: os.chroot("."),
    "set-user": lambda: os.setresuid(0, 0, 0),
    "status": _status,
}
