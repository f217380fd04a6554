"""Problems in the form that clients of the OpenAI routes expect.

The only place that knows this form.
"""

from collections.abc import Mapping
from typing import Any

PREFIX = "/v1/"
CODES = {  # where clients look for a code of their own
    "not-authenticated": "invalid_api_key",
    "no-such-model": "model_not_found",
    "question-too-long": "context_length_exceeded",
}
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


def status_of(problem: Mapping[str, Any]) -> int:
    """That of the problem; if a body is wrong, 400, which is what these clients know."""
    return 400 if problem["status"] == 422 else int(problem["status"])


def error_body(problem: Mapping[str, Any]) -> dict[str, Any]:
    """A problem's body (RFC 9457) as `{"error": {message, type, param, code}}`, with no word more
    than it has.
    """
    slug = str(problem["type"]).rsplit("/", 1)[-1]
    wrong = problem.get("errors", ())
    said = [
        f"{_parameter_name(error['pointer'])}: {error['detail']}".removeprefix(": ")
        for error in wrong
    ]
    message = " ".join([problem["title"], *([problem["detail"]] if "detail" in problem else said)])
    kind = (
        "server_error"
        if problem["status"] >= 500
        else TYPES.get(problem["status"], "invalid_request_error")
    )
    param = _parameter_name(wrong[0]["pointer"]) if wrong else ""
    code = CODES.get(slug, slug.replace("-", "_"))
    return {"error": {"message": message, "type": kind, "param": param or None, "code": code}}


def _parameter_name(pointer: str) -> str:
    """`/messages/0/content` as `messages[0].content`."""
    path = ""
    for part in pointer.split("/")[1:]:
        path += (
            f"[{part}]" if part.isdecimal() else f".{part.replace('~1', '/').replace('~0', '~')}"
        )
    return path.removeprefix(".")
