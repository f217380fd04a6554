"""Traces and metrics, as a collector gets them: real libraries, sent over real HTTP."""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient

from indexes.settings import Settings
from service.app import create_app
from tests.service.conftest import House

ROOT = Path(__file__).parents[2]
QUESTION = {"question": "When do salaries rise?"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """Takes OTLP over HTTP and keeps what came."""

    def __init__(self) -> None:
        self.traces = ExportTraceServiceRequest()
        self.metrics = ExportMetricsServiceRequest()
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.bodies.append(body)
                kept: Any = collector.traces if "traces" in self.path else collector.metrics
                kept.MergeFromString(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for resource in self.traces.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()


def served(house: House, collector: Collector) -> TestClient:
    settings = Settings(home=house.settings.home, otlp_endpoint=collector.url)
    app = create_app(settings, embedder=house.embedder, model=house.model, catalog=house.catalog)
    return TestClient(app)


def attributes(span: Any) -> dict[str, Any]:
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def test_an_answer_is_a_span_with_its_steps_inside(house: House, collector: Collector):
    with served(house, collector) as http:
        headers = house.headers("ada") | {"traceparent": PARENT}
        assert http.post("/ask", json=QUESTION, headers=headers).status_code == 200
    (request,) = [span for span in collector.spans if span.name == "POST /ask"]
    steps = [span for span in collector.spans if span.parent_span_id == request.span_id]
    assert [span.name for span in steps] == ["condense", "search", "prompt", "model"]
    assert request.trace_id.hex() == PARENT.split("-")[1]
    assert request.parent_span_id.hex() == PARENT.split("-")[2]
    for span in steps:
        assert request.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= request.end_time_unix_nano
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/ask",
        "http.response.status_code": 200,
    }


def test_nothing_that_people_write_or_read_is_sent(house: House, collector: Collector):
    with served(house, collector) as http:
        asker = house.headers("ada")
        http.post("/ask", json=QUESTION, headers=asker)
        http.post("/ask", json=QUESTION | {"stream": True}, headers=asker)
        http.post("/search", json=QUESTION, headers=asker)
        http.get(f"/documents/{house.ids['salaries']}?start=1", headers=asker)
        http.get("/answers/nothing", headers=asker)
        http.get("/zebra?heliotrope=1", headers=asker)
    sent = b"".join(collector.bodies)
    unwanted = ("heliotrope", "salar", "ada", "zebra", house.ids["salaries"], house.keys["ada"])
    assert [word for word in unwanted if word.encode() in sent.lower()] == []
    assert {span.name for span in collector.spans} >= {
        "POST /search",
        "GET /documents/{document_id}",
    }


def test_durations_and_tokens_are_metrics(house: House, collector: Collector):
    with served(house, collector) as http:
        told = http.post("/ask", json=QUESTION, headers=house.headers("ada")).json()
    metrics = {
        metric.name: metric
        for resource in collector.metrics.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert metrics["http.server.request.duration"].histogram.data_points[0].count == 1
    used = {
        next(
            a.value.string_value for a in point.attributes if a.key == "gen_ai.token.type"
        ): point.sum
        for point in metrics["gen_ai.client.token.usage"].histogram.data_points
    }
    assert used == {
        "input": told["usage"]["prompt_tokens"],
        "output": told["usage"]["completion_tokens"],
    }


def test_a_collector_that_is_away_keeps_nobody_waiting(house: House):
    settings = Settings(home=house.settings.home, otlp_endpoint="http://127.0.0.1:1")
    app = create_app(settings, embedder=house.embedder, model=house.model, catalog=house.catalog)
    with TestClient(app) as http:
        told = http.post("/search", json=QUESTION, headers=house.headers("ada"))
        assert told.status_code == 200


def test_the_dashboard_asks_for_metrics_that_there_are(house: House, http: TestClient):
    http.post("/ask", json=QUESTION, headers=house.headers("ada"))
    there = http.get("/metrics", headers=house.headers("root")).text
    dashboard = json.loads((ROOT / "docs/grafana/clearance.json").read_text(encoding="utf-8"))
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:clearance|process)_\w+", target["expr"])
    }
    assert asked
    assert [name for name in sorted(asked) if f"# TYPE {_family(name)} " not in there] == []


def _family(name: str) -> str:
    return name.removesuffix("_bucket")
