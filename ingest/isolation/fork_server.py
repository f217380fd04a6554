"""The process that parsing workers are forked from.

The sandbox runs it: `python -m ingest.isolation.fork_server`.

It imports the parsers once and has no other thread, so a fork is cheap and safe. A worker lives in
a place of its own, apart from the host, and forks a process for each document, which is confined
before it gets the document and takes everything it has learnt with it: a parser that one document
has taken over never meets another document. A library that few files need is imported by the worker
that is given the first of them, by its name.

Each worker is the leader of a session, so that killing its group also kills what it started. When
the parent goes away, so does everything here.
"""

import contextlib
import errno
import gc
import hashlib
import importlib
import json
import math
import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from indexes.errors import SourceBroken, SourceError, SourceTooCostly, SourceUnavailable
from ingest.elements import CutOptions, Parsed, ParseOptions
from ingest.isolation import confinement, landlock, protocol

MEGABYTE = 1 << 20
MAX_FILE_BYTES = 512 * MEGABYTE  # that a worker may write to one file
MAX_OPEN_FILES = 256
COPY_BYTES = 1 << 30  # at most, in one call
CUTTER = "ingest.chunking:cut"  # by name: this room knows nothing of what it runs
Parser = Callable[..., Parsed]


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done with a document: it is parsed, and cut if there is something to count with."""

    parse: Parser
    cut: Parser
    warm_up_for: Callable[[str], None]  # imports what few files need, by the ending of a name
    counter: Any = None


class _Counters:
    """Counters of tokens, each made once, before any process is forked that uses it."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, bytes], Any] = {}

    def counter_of(self, request: Mapping[str, Any], file: int) -> Any:
        """file: what the counter is made of; it is closed."""
        with os.fdopen(file, "rb") as given:
            given.seek(0)
            data = given.read()
        key = request["maker"], request["max_tokens"], hashlib.sha256(data).digest()
        if key not in self._made:
            self._made.clear()
            self._made[key] = _load(request["maker"])(data, request["max_tokens"])
            gc.collect()
            gc.freeze()
        return self._made[key]


def main(descriptor: int, parser_name: str) -> None:
    """Serves fork and kill requests until the parent closes the control socket.

    `parser_name` is "module:function".
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=descriptor)
    plain, counters = _load_work(parser_name), _Counters()
    landlock.code_folders()  # once, for all that are forked
    gc.collect()
    gc.freeze()
    workers: set[int] = set()
    control.send(b'{"ready": true}')
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 65_536, 2)
        if not data:
            break
        request = json.loads(data)
        if "kill" in request:
            reply: dict[str, Any] = {"killed": _kill_worker(request["kill"], workers)}
        else:
            work = plain
            if "maker" in request:
                work = replace(plain, counter=counters.counter_of(request, descriptors[1]))
            reply = {"pid": _fork_worker(descriptors[0], control, work, request, workers)}
        control.send(json.dumps(reply).encode())
    for pid in tuple(workers):
        _kill_worker(pid, workers)


def _load_work(parser_name: str) -> _Work:
    module = importlib.import_module(parser_name.split(":")[0])
    getattr(module, "warm_up", lambda: None)()
    warm_up_for = getattr(module, "warm_up_for", lambda _: None)
    return _Work(_load(parser_name), _load(CUTTER), warm_up_for)


def _load(name: str) -> Callable[..., Any]:
    """name: "module:function"."""
    module, function = name.split(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded


def _kill_worker(pid: int, workers: set[int]) -> bool:
    """Kills a worker and all it started. It was not reaped before, so its id is still its own."""
    if pid not in workers:
        return False
    workers.discard(pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # it may not have become a leader yet
    os.waitpid(pid, 0)
    return True


def _fork_worker(
    descriptor: int,
    control: socket.socket,
    work: _Work,
    limits: dict[str, Any],
    workers: set[int],
) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            control.close()
            os.setsid()
            code = _serve_apart(socket.socket(fileno=descriptor), work, limits)
        finally:
            os._exit(code)
    os.close(descriptor)
    workers.add(pid)
    return pid


def _serve_apart(connection: socket.socket, work: _Work, limits: dict[str, Any]) -> int:
    """Makes a place apart and serves there.

    The first process of a process space is forked: it cannot move itself.
    """
    confinement.die_with_parent()
    progress = confinement.leave_the_host(Path(limits["scratch"]))
    confinement.die_with_parent()
    if progress.own_process_space:
        if child := os.fork():
            connection.close()
            os.waitpid(child, 0)
            return 0
        confinement.die_with_parent()
    _serve(connection, work, limits, progress)
    return 0


def _serve(
    connection: socket.socket,
    work: _Work,
    limits: dict[str, Any],
    progress: confinement.ConfinementProgress,
) -> None:
    """A process for each document, until the parent hangs up.

    This one never reads what a document holds.
    """
    while True:
        try:
            task, (document, channel) = protocol.receive_with_files(connection, 2)
        except protocol.ConnectionClosed:
            return
        with contextlib.suppress(Exception):  # the document that needs it will tell
            work.warm_up_for(_suffix_of(task))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                connection.close()
                os.setpgid(0, 0)
                confinement.die_with_parent()
                _parse_confined(
                    socket.socket(fileno=channel), document, work, {**limits, **task}, progress
                )
                code = 0
            finally:
                os._exit(code)
        os.close(document)
        os.close(channel)
        protocol.send(connection, {"ended": _await_child(child)})
        _clear_after(child, progress)


def _await_child(child: int) -> int:
    """How the child ended, as `os.waitstatus_to_exitcode` tells; others that were left to this
    process are reaped.
    """
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _clear_after(child: int, progress: confinement.ConfinementProgress) -> None:
    """Nothing of one document meets the next: whatever its process started and wrote goes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if progress.own_process_space:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(child, signal.SIGKILL)
    for place in progress.scratch.iterdir():
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
    # which no other program is: this is what LibreOffice could not take with it
    if "user" in progress.held:
        for socket_left in Path("/tmp").glob("OSL_PIPE_*"):
            with contextlib.suppress(OSError):
                socket_left.unlink()  # of another user: refused


def _parse_confined(
    channel: socket.socket,
    document: int,
    work: _Work,
    task: dict[str, Any],
    progress: confinement.ConfinementProgress,
) -> None:
    """Confines itself, says how well, and parses one document if that is enough."""
    _limit_process(task)
    held = confinement.confine(progress, [Path(path) for path in task["out_of_reach"]])
    protocol.send(channel, {"confinement": held.as_dict()})
    if not held.enough or (task["required"] and held.missing) or task["options"] is None:
        return
    options = ParseOptions(**{**task["options"], "encodings": tuple(task["options"]["encodings"])})
    path = Path(task["scratch"]) / f"document{_suffix_of(task)}"
    with path.open("xb") as copy:  # libraries want a file with a name
        written = 0
        while part := os.sendfile(copy.fileno(), document, written, COPY_BYTES):
            written += part
    _reply(channel, work, path, options, task)


def _suffix_of(task: Mapping[str, Any]) -> str:
    """The ending of the document's name, with its dot."""
    return os.fsdecode(bytes.fromhex(task["suffix"]))


def _limit_process(limits: dict[str, Any]) -> None:
    os.environ.update(TMPDIR=limits["scratch"], HOME=limits["scratch"])
    os.chdir(limits["scratch"])
    import tempfile

    tempfile.tempdir = limits["scratch"]
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    _set_limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _set_limit(resource.RLIMIT_AS, _mapped_bytes() + limits["memory_mb"] * MEGABYTE)


def _set_limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _mapped_bytes() -> int:
    """Bytes of address space in use already, by libraries and what they loaded; a document's limit
    comes on top.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _reply(
    connection: socket.socket,
    work: _Work,
    path: Path,
    options: ParseOptions,
    task: dict[str, Any],
) -> None:
    """Sends the document or the error, as plain values: a library's exceptions may not survive a
    trip between processes.
    """
    try:
        for message in protocol.pack(_parse_and_cut(connection, work, path, options, task)):
            protocol.send(connection, message)
    except protocol.ConnectionClosed:
        raise
    except Exception as error:
        protocol.send(connection, _error_reply(error))


def _parse_and_cut(
    connection: socket.socket,
    work: _Work,
    path: Path,
    options: ParseOptions,
    task: dict[str, Any],
) -> Parsed:

    def page_read() -> None:
        _allow_cpu(task["page_s"], more=True)
        protocol.send(connection, {"beat": True})

    _allow_cpu(task["cpu_s"])
    parsed = work.parse(path, options, page_read)
    if task["cutting"] is None or work.counter is None:
        return parsed
    _allow_cpu(task["cpu_s"])
    return work.cut(parsed, CutOptions(**task["cutting"]), work.counter)


def _error_reply(error: Exception) -> dict[str, Any]:
    if isinstance(error, SourceError):
        return protocol.pack_error(error)
    if isinstance(error, MemoryError):
        costly = SourceTooCostly("It needs more memory than one document may use.")
        return protocol.pack_error(costly)
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return protocol.pack_error(SourceTooCostly("Its parser wrote a file larger than it may."))
    if isinstance(error, OSError):
        return protocol.pack_error(SourceUnavailable(f"{error.strerror or error}."))
    told = f"{type(error).__name__}: {str(error)[:200]}"
    return protocol.pack_error(SourceBroken(f"It cannot be parsed ({told})."))


def _allow_cpu(seconds: float, *, more: bool = False) -> None:
    """Processor time from now on, or on top of what is still allowed.

    Over it the kernel ends the process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    start = (
        soft
        if more and soft != resource.RLIM_INFINITY
        else math.ceil(spent.ru_utime + spent.ru_stime)
    )
    resource.setrlimit(resource.RLIMIT_CPU, (start + math.ceil(seconds), hard))


def _start_server() -> NoReturn:
    """The scratch folder, this process's own, goes with it: the parent may have been killed and
    cannot see to it.
    """
    try:
        main(int(sys.argv[1]), sys.argv[2])
    finally:
        shutil.rmtree(sys.argv[3], ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    _start_server()
