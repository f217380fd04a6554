"""What operators can measure.

Labels are routes, methods, statuses and kinds: never people, questions or documents.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "clearance_requests_total",
            "Requests answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        # the counters of one kind of request, which are found anew less cheaply than counted
        self._of_requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._seconds = Histogram(
            "clearance_request_seconds",
            "Time from the request's first byte to the reply's last.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "clearance_requests_in_flight", "Requests being worked on.", registry=self.registry
        )
        self.callers_left = Counter(
            "clearance_callers_left_total",
            "Callers who left before the answer was complete.",
            registry=self.registry,
        )
        self._answers = Counter(
            "clearance_answers_total",
            "Answers given.",
            ("answerer", "notice"),
            registry=self.registry,
        )
        self._tokens = Counter(
            "clearance_model_tokens_total",
            "Tokens as the model server counted them.",
            ("kind",),
            registry=self.registry,
        )
        self._first_token = Histogram(
            "clearance_first_token_seconds",
            "Time from the call to the model until its first text.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._miscounted = Counter(
            "clearance_prompts_miscounted_total",
            "Prompts whose length the model server counted otherwise than we did.",
            registry=self.registry,
        )

        self._refused = Counter(
            "clearance_connections_refused_total",
            "Connections that were ended before a request on them was answered.",
            ("why",),
            registry=self.registry,
        )

    def count_refusal(self, why: str) -> None:
        self._refused.labels(why).inc()

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Routes are those of the application, and methods those that HTTP has: there are not many."""
        kind = route, method, status
        found = self._of_requests.get(kind)
        if found is None:
            count = self._requests.labels(route, method, str(status))
            found = self._of_requests[kind] = count, self._seconds.labels(route)
        found[0].inc()
        found[1].observe(seconds)

    def count_answer(self, answerer: str, *, noticed: bool) -> None:
        self._answers.labels(answerer, "yes" if noticed else "no").inc()

    def count_model_call(
        self, prompt_tokens: int, completion_tokens: int, counted: int, first_token_s: float | None
    ) -> None:
        self._tokens.labels("prompt").inc(prompt_tokens)
        self._tokens.labels("completion").inc(completion_tokens)
        self._miscounted.inc(prompt_tokens != counted)
        if first_token_s is not None:
            self._first_token.observe(first_token_s)

    def render(self) -> bytes:
        """In the Prometheus text format."""
        return generate_latest(self.registry)
