"""`clearance serve`."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
import uvicorn

from indexes import settings as configuration
from indexes.errors import BadConfiguration
from indexes.settings import Settings
from service.cli import abstention, models, templates
from service.cli.evaluation import evaluate
from service.cli.leaktest import leaktest
from service.operating import logs

app = typer.Typer(help="The HTTP service.")
app.add_typer(templates.app, name="templates")
app.add_typer(models.app, name="models")
app.add_typer(abstention.app, name="abstention")
app.command("eval")(evaluate)
app.command("leaktest")(leaktest)

GOODBYE_S = 10  # for requests in flight when the process is told to stop
BACKLOG = 2048


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: CLEARANCE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one.")] = None,
) -> None:
    """Answer questions over HTTP until interrupted."""
    settings = configuration.load()
    logs.configure(settings.log_level)
    address = _address(host or settings.host, settings.port if port is None else port)
    asyncio.run(_serve(settings, address))


async def _serve(settings: Settings, address: socket.socket) -> None:
    """Takes connections once everything is loaded. Raises ClearanceError where that fails."""
    from service.app import create_app
    from service.http.connections import (
        ACCEPTED_AT_ONCE,
        Connections,
        Limits,
    )  # seconds to import, and this module is loaded for every command

    service = create_app(settings)
    typer.echo("Loading the catalog, the indexes and the embedding model ...", err=True)
    async with service.router.lifespan_context(service):
        connections = Connections(Limits.of(settings), service.state.metrics)
        config = uvicorn.Config(
            service,
            http=connections.protocol,  # type: ignore[arg-type] # uvicorn calls it as it would a class
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            backlog=ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=GOODBYE_S,
            lifespan="off",
        )
        await _Server(config).serve(sockets=[address])
    typer.echo("Clearance has stopped.", err=True)


class _Server(uvicorn.Server):
    """Ends quietly when told to, so that what was opened before it is closed after it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)  # so many may queue in the system; fewer are taken from there at once
            typer.echo(f"Clearance answers on {_url(listening)}; {_url(listening)}/docs says how to ask.", err=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _address(host: str, port: int) -> socket.socket:
    """A socket bound to the address, which does not take connections yet. Raises BadConfiguration."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(
            family, socket.SOCK_STREAM, socket.IPPROTO_TCP
        )  # unnamed, asyncio leaves Nagle's delay on
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        raise BadConfiguration(
            f"Nothing can listen on {host}:{port}: {error.strerror}.",
            remedy="Choose another CLEARANCE_HOST or CLEARANCE_PORT.",
        ) from error
    return bound


def _url(address: socket.socket) -> str:
    host, port = address.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
