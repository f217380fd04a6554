"""The process that parsing workers are forked from. Run by `ingest.sandbox` as `python -m ingest.nursery`.

It imports the parsers once and has no other thread, so a fork is cheap and safe. Each worker is the leader of a session
of its own, so that killing its group also kills what it started. When the parent goes away, so does everything here.
"""

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import math
import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from indexes.errors import SourceBroken, SourceError, SourceTooCostly, SourceUnavailable
from ingest import wire
from ingest.elements import Parsed, ParseOptions

MEGABYTE = 1 << 20
MAX_FILE_BYTES = 512 * MEGABYTE  # that a worker may write to one file
MAX_OPEN_FILES = 256
PARENT_DEATH_SIGNAL, NO_NEW_PRIVILEGES = 1, 38  # of prctl(2)
NEW_NETWORK, NEW_USER = 0x40000000, 0x10000000  # of unshare(2)
Parser = Callable[..., Parsed]


def main(descriptor: int, parser_name: str) -> None:
    """Serves fork and kill requests until the parent closes the control socket. `parser_name` is "module:function"."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=descriptor)
    module_name, function = parser_name.split(":")
    module = importlib.import_module(module_name)
    getattr(module, "warm_up", lambda: None)()
    gc.collect()
    gc.freeze()
    parser: Parser = getattr(module, function)
    workers: set[int] = set()
    control.send(b'{"ready": true}')
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 65_536, 1)
        if not data:
            break
        request = json.loads(data)
        if "kill" in request:
            control.send(json.dumps({"status": _end(request["kill"], workers)}).encode())
        else:
            control.send(json.dumps({"pid": _fork(descriptors[0], control, parser, request, workers)}).encode())
    for pid in tuple(workers):
        _end(pid, workers)


def _end(pid: int, workers: set[int]) -> int:
    """Kills a worker and all it started; how it ended, as waitpid tells. Unreaped until now, so its id is its own."""
    if pid not in workers:
        return 0
    workers.discard(pid)
    done, status = os.waitpid(pid, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if not done:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it may not have become a leader yet
        _, status = os.waitpid(pid, 0)
    return status


def _fork(descriptor: int, control: socket.socket, parser: Parser, limits: dict[str, Any], workers: set[int]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            control.close()
            _work(socket.socket(fileno=descriptor), parser, limits)
            code = 0
        finally:
            os._exit(code)
    os.close(descriptor)
    workers.add(pid)
    return pid


def _work(connection: socket.socket, parser: Parser, limits: dict[str, Any]) -> None:
    """One document after the other until the parent hangs up."""
    _confine(limits)
    while True:
        try:
            task = wire.receive(connection)
        except wire.Closed:
            return
        options = ParseOptions(**{**task["options"], "encodings": tuple(task["options"]["encodings"])})
        wire.send(
            connection, _reply(connection, parser, Path(os.fsdecode(bytes.fromhex(task["path"]))), options, limits)
        )
        gc.collect()


def _confine(limits: dict[str, Any]) -> None:
    os.setsid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if limits["isolate_network"]:
        # where the kernel lets us, there is then no network to use; root keeps its user, or it could not read all files
        libc.unshare(NEW_NETWORK if os.geteuid() == 0 else NEW_USER | NEW_NETWORK)
    os.environ.update(TMPDIR=limits["scratch"], HOME=limits["scratch"])
    os.chdir(limits["scratch"])
    import tempfile

    tempfile.tempdir = limits["scratch"]
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_AS, _mapped() + limits["memory_mb"] * MEGABYTE)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _mapped() -> int:
    """Bytes of address space in use already, by libraries and what they loaded; a document's limit comes on top."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _reply(
    connection: socket.socket, parser: Parser, path: Path, options: ParseOptions, limits: dict[str, Any]
) -> dict[str, Any]:
    """The document or the error, as plain values: a library's exceptions may not survive a trip between processes."""

    def page_read() -> None:
        _allow_cpu(limits["page_s"], more=True)
        wire.send(connection, {"beat": True})

    _allow_cpu(limits["cpu_s"])
    try:
        return wire.pack(parser(path, options, page_read))
    except SourceError as error:
        return wire.pack_error(error)
    except MemoryError:
        return wire.pack_error(SourceTooCostly("It needs more memory than one document may use."))
    except OSError as error:
        if error.errno == errno.EFBIG:
            return wire.pack_error(SourceTooCostly("Its parser wrote a file larger than it may."))
        return wire.pack_error(SourceUnavailable(f"{error.strerror or error}."))
    except Exception as error:
        return wire.pack_error(SourceBroken(f"It cannot be parsed ({type(error).__name__}: {str(error)[:200]})."))


def _allow_cpu(seconds: float, *, more: bool = False) -> None:
    """Processor time from now on, or on top of what is still allowed. Over it the kernel ends the process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    start = soft if more and soft != resource.RLIM_INFINITY else math.ceil(spent.ru_utime + spent.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (start + math.ceil(seconds), hard))


def _start() -> NoReturn:
    """The scratch folder, this process's own, goes with it: the parent may have been killed and cannot see to it."""
    try:
        main(int(sys.argv[1]), sys.argv[2])
    finally:
        shutil.rmtree(sys.argv[3], ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    _start()
