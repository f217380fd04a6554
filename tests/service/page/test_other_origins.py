"""Code of a page of another origin, in a real browser."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from service.app import create_app
from service.testing.loopback import Loopback

FETCH = """async ([url, key, credentials]) => {
  const headers = {'Content-Type': 'application/json', 'X-Stainless-OS': 'x'};
  if (key) headers.Authorization = `Bearer ${key}`;
  const body = JSON.stringify({question: 'When do salaries rise?'});
  try {
    const reply = await fetch(url, {method: 'POST', credentials, headers, body});
    return [reply.status, !!reply.headers.get('etag'), (await reply.text()).includes('heliotrope')];
  } catch (error) { return 'not told'; }
}"""


class _Blank(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def two_origins() -> Iterator[list[str]]:
    """Two pages with nothing on them."""
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Blank) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def test_only_a_page_that_is_named_can_ask_and_only_with_a_key(
    house: Any, chromium: Browser, two_origins: list[str]
) -> None:
    named, other = two_origins
    settings = house.settings.model_copy(update={"cors_origins": (named,)})
    app = create_app(settings, embedder=house.embedder, model=house.model, catalog=house.catalog)
    key = house.keys["ada"]
    with Loopback(app, "on") as server:
        told = {}
        for origin in two_origins:
            page = chromium.new_page()
            page.goto(origin)
            for way, given in {
                "key": [key, "omit"],
                "no key": ["", "omit"],
                "key and cookies": [key, "include"],
            }.items():
                told[origin, way] = page.evaluate(FETCH, [f"{server.url}/search", *given])
            page.close()
    assert told[named, "key"] == [200, True, True]
    assert told[named, "no key"] == [401, False, False]
    assert told[named, "key and cookies"] == "not told"
    assert {told[other, way] for way in ("key", "no key", "key and cookies")} == {"not told"}
