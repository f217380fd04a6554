"""`clearance serve`."""

import asyncio
import socket
from typing import Annotated

import typer

from indexes import settings as configuration
from indexes.cli.common import TAKES_IDS
from indexes.errors import BadConfiguration
from service.cli import abstention, feedback, models, templates
from service.cli.evaluation import evaluate
from service.cli.leaktest import leaktest
from service.cli.replay import replay_answer
from service.operating import logs

app = typer.Typer(help="The HTTP service.")
app.add_typer(templates.app, name="templates")
app.add_typer(models.app, name="models")
app.add_typer(abstention.app, name="abstention")
app.add_typer(feedback.app, name="feedback")
app.command("eval")(evaluate)
app.command("leaktest")(leaktest)
app.command("replay", context_settings=TAKES_IDS)(replay_answer)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: CLEARANCE_HOST.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one.")] = None,
) -> None:
    """Answer questions over HTTP until interrupted."""
    settings = configuration.load()
    logs.configure(settings.log_level)
    address = _bind_address(host or settings.host, settings.port if port is None else port)
    from service.cli.uvicorn_server import run_server  # seconds to import: after what fails at once

    asyncio.run(run_server(settings, address))


def _bind_address(host: str, port: int) -> socket.socket:
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
