"""The page that people ask on: a few files as they lie here, no build, nothing fetched from
elsewhere.

It knows no catalog, no search and no person: in the browser it asks the same addresses as every
other client, with the key of whoever signs in.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Self

from starlette.responses import Response

from indexes.errors import NotFound

HOME = "index.html"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",  # the icon
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # text from documents can never be taken for HTML or a script,
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",  # not even by a mistake in the page's own code
    )
)
FEATURES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page."""

    content: bytes
    media_type: str
    tag: str  # changes with the content

    @classmethod
    def of(cls, content: bytes, media_type: str) -> Self:
        return cls(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def make_response(self, known: str | None = None) -> Response:
        """The file; 304 if the browser holds it already. `known`: its If-None-Match."""
        headers = {"Cache-Control": "no-cache", "ETag": self.tag}
        if self.media_type == MEDIA_TYPES[".html"]:
            headers |= {"Content-Security-Policy": POLICY, "Permissions-Policy": FEATURES}
        if known is not None and self.tag in [
            tag.strip().removeprefix("W/") for tag in known.split(",")
        ]:
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.media_type)


def find_asset(name: str) -> Asset:
    """A file of the page by its name. Raises NotFound."""
    found = _read_assets().get(name)
    if found is None:
        raise NotFound
    return found


@cache
def _read_assets() -> dict[str, Asset]:
    """Read once: what can be asked for is exactly what lies here, so no name leads anywhere else."""
    return {
        file.name: Asset.of(file.read_bytes(), media_type)
        for file in files(__package__).iterdir()
        for suffix, media_type in MEDIA_TYPES.items()
        if file.name.endswith(suffix)
    }
