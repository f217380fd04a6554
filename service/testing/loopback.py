"""An application on a real port of this machine, for as long as a test needs it."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, Self

import uvicorn
from starlette.types import ASGIApp


class Loopback:
    """An application behind a real HTTP server on a loopback port, in a thread; a context
    manager.
    """

    def __init__(
        self,
        app: ASGIApp,
        lifespan: Literal["on", "off"] = "off",
        protocol: Callable[..., asyncio.Protocol] | None = None,
        accepted_at_once: int = 2048,
        port: int = 0,
    ) -> None:
        """protocol: makes what stands on each connection; none: uvicorn's own. port: 0 takes a free
        one.
        """
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            http=protocol or "auto",  # type: ignore[arg-type] # called as a class would be
            log_config=None,
            timeout_graceful_shutdown=1,
            lifespan=lifespan,
            backlog=accepted_at_once,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the application did not start")
            time.sleep(0.005)
        return self

    def __exit__(self, *raised: Any) -> None:
        self._server.should_exit = True
        self._thread.join()
