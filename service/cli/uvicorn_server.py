"""The running server: what `clearance serve` does once it knows its settings and its address."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer
import uvicorn

from indexes.settings import Settings
from service.app import create_app
from service.http.connections import ACCEPTED_AT_ONCE, ConnectionLimits, Connections

GOODBYE_S = 10  # for requests in flight when the process is told to stop
BACKLOG = 2048


async def run_server(settings: Settings, address: socket.socket) -> None:
    """Takes connections once everything is loaded. Raises ClearanceError if that fails."""
    service = create_app(settings)
    typer.echo("Loading the catalog, the indexes and the embedding model ...", err=True)
    async with service.router.lifespan_context(service):
        connections = Connections(ConnectionLimits.of(settings), service.state.metrics)
        config = uvicorn.Config(
            service,
            http=connections.protocol,  # type: ignore[arg-type] # uvicorn calls it as it would a class
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            forwarded_allow_ips=settings.trusted_proxies,
            backlog=ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=GOODBYE_S,
            lifespan="off",
        )
        server = _Server(config)
        server.when_told_to_stop = service.state.runtime.jobs.tell_to_stop
        await server.serve(sockets=[address])
    typer.echo("Clearance has stopped.", err=True)


class _Server(uvicorn.Server):
    """Ends quietly when told to, so that what was opened before it is closed after it."""

    when_told_to_stop: Callable[[], None] = staticmethod(lambda: None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The job at work is given back at once, not after the requests in flight have ended."""
        self.when_told_to_stop()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            # so many may queue in the system; fewer are taken from there at once
            listening.listen(BACKLOG)
            typer.echo(
                f"Clearance answers on {_format_url(listening)}; {_format_url(listening)}/docs says how to ask.",
                err=True,
            )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _format_url(address: socket.socket) -> str:
    host, port = address.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
