"""Problems in the form that directories expect. The only place that knows this form."""

from collections.abc import Mapping
from typing import Any

PREFIX = "/scim/"
MEDIA_TYPE = "application/scim+json"
_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"


def error_body(problem: Mapping[str, Any]) -> dict[str, Any]:
    """A problem's body (RFC 9457) as RFC 7644 tells errors, with no word more than it has."""
    said = [problem["title"], *([problem["detail"]] if "detail" in problem else [])]
    return {"schemas": [_SCHEMA], "status": str(problem["status"]), "detail": " ".join(said)}
