"""Where a client without a key learns who gives out tokens for this service (RFC 9728)."""

from collections.abc import Sequence
from urllib.parse import quote

from pydantic import Field
from starlette.types import Scope

from indexes.settings import Settings
from service.http.deps import base_of
from service.http.replies import Reply

MCP = "/mcp"
METADATA = "/.well-known/oauth-protected-resource"  # with the address behind it, or alone


class ResourceMetadataReply(Reply):
    resource: str
    authorization_servers: tuple[str, ...] = Field(
        (), description="Identity providers whose tokens are accepted; none: API keys only."
    )
    bearer_methods_supported: tuple[str, ...] = ("header",)
    resource_name: str = "Clearance"

    @classmethod
    def of(cls, base: str, issuers: Sequence[str]) -> "ResourceMetadataReply":
        return cls(resource=base + MCP, authorization_servers=tuple(issuers))


def issuers_of(settings: Settings) -> tuple[str, ...]:
    """Identity providers whose tokens the gate accepts."""
    return tuple(provider.issuer for provider in settings.identity_providers)


def challenge(scope: Scope, public_url: str | None) -> dict[str, str]:
    """The headers with which a request without a key is refused."""
    if scope["path"] != MCP:
        return {}
    address = quote(base_of(scope, public_url) + METADATA + MCP, safe=":/[]")
    return {"WWW-Authenticate": f'Bearer realm="clearance", resource_metadata="{address}"'}
