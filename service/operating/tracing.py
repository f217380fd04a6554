"""Traces and metrics for OpenTelemetry: how long what took. Names of routes, methods, statuses and
models, never text, a question, a person or an address.

Without the extra and without an endpoint nothing of it is imported, and requests pass as before.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexes.errors import BadConfiguration

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

TRACEPARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""What a request to another server says of the trace that it belongs to (W3C Trace Context)."""

_NS = 1_000_000_000
_PATIENCE_S = 3.0  # with a collector, retries included
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a request, in the order of time."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a request was, once it has ended."""

    route: str
    method: str
    status: int
    steps: tuple[Step, ...] = ()  # one after the other; the last ends with the request
    model: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Tracing:
    """Sends what it is told, now and then, from a thread of its own."""

    def __init__(self, endpoint: str, version: str) -> None:
        """endpoint: of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318.

        Raises BadConfiguration if the extra is not installed.
        """
        try:
            self._spans, self._metrics = _open(endpoint.rstrip("/"), version)
        except ImportError as error:
            raise BadConfiguration(
                "CLEARANCE_OTLP_ENDPOINT needs libraries that are not installed.",
                remedy="pip install clearance[otel]",
            ) from error
        self._tracer: Tracer = self._spans.get_tracer("clearance", version)
        meter = self._metrics.get_meter("clearance", version)
        self._seconds: Histogram = meter.create_histogram(
            "http.server.request.duration", "s", "Time from the request's head to the reply's end."
        )
        self._tokens: Histogram = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of one answer."
        )

    def begin(self, traceparent: str | None, started_ns: int) -> "Span":
        """traceparent: as the caller sent it. started_ns: since the epoch."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        given = {} if traceparent is None else {"traceparent": traceparent}
        parent = TraceContextTextMapPropagator().extract(given)
        return self._tracer.start_span(
            "request", context=parent, kind=SpanKind.SERVER, start_time=started_ns
        )

    def end(self, span: "Span", served: Served, started_ns: int, ended_ns: int) -> None:
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        inside = set_span_in_context(span)
        at = ended_ns - round(_NS * sum(step.seconds for step in served.steps))
        for step in served.steps:
            part = self._tracer.start_span(
                step.name, context=inside, start_time=max(at, started_ns)
            )
            at += round(_NS * step.seconds)
            part.end(at)
        facts = _facts(served)
        span.update_name(f"{served.method} {served.route}")
        span.set_attributes(facts)
        if served.status >= _SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended_ns)
        self._seconds.record((ended_ns - started_ns) / _NS, facts)
        if served.model is not None:
            of_model = {"gen_ai.request.model": served.model, "gen_ai.operation.name": "chat"}
            for kind, count in (
                ("input", served.prompt_tokens),
                ("output", served.completion_tokens),
            ):
                self._tokens.record(count, {**of_model, "gen_ai.token.type": kind})

    def close(self) -> None:
        """Sends what waits. Blocking."""
        self._spans.shutdown()
        self._metrics.shutdown()


def traceparent_of(span: "Span") -> str:
    """As the next server is told."""
    of = span.get_span_context()
    return f"00-{of.trace_id:032x}-{of.span_id:016x}-{of.trace_flags:02x}"


def _facts(served: Served) -> dict[str, Any]:
    return {
        "http.request.method": served.method,
        "http.route": served.route,
        "http.response.status_code": served.status,
    }


def _open(endpoint: str, version: str) -> "tuple[TracerProvider, MeterProvider]":
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource({"service.name": "clearance", "service.version": version})
    spans = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=_PATIENCE_S))
    )
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=_PATIENCE_S)
    )
    metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    return spans, metrics
