"""`clearance serve`."""

import socket
from typing import Annotated

import typer
import uvicorn

from indexes import settings as configuration
from indexes.errors import BadConfiguration
from service import logs
from service.app import create_app

app = typer.Typer(help="The HTTP service.")

GOODBYE_S = 10  # for requests in flight when the process is told to stop


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: CLEARANCE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one.")] = None,
) -> None:
    """Answer questions over HTTP until interrupted."""
    settings = configuration.load()
    logs.configure(settings.log_level)
    listening = _listen(host or settings.host, settings.port if port is None else port)
    address, number = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    typer.echo(f"Clearance listens on http://{shown}:{number} once it is ready; /docs describes it.", err=True)
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=GOODBYE_S,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(1)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises BadConfiguration where the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise BadConfiguration(
            f"Nothing can listen on {host}:{port}: {error}.", remedy="Choose another CLEARANCE_HOST or CLEARANCE_PORT."
        ) from error
