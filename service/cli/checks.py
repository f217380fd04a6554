"""What `clearance doctor` asks of the service: the model server, and how callers reach the service."""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from indexes.cli.doctor.findings import Check, Finding, advice, good, wrong
from indexes.errors import GeneratorError
from indexes.settings import Settings
from service.llm import find_open_routes, open_model
from service.llm.port import Message, Prompt

LOOK_S = 4.0  # for the model server to answer
SMALL_WINDOW = 2_048  # tokens; an answer and eight passages need about that
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})
_TRIED = "Which animal barks?"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What the model server told."""

    name: str
    window: int
    counted: int  # tokens of a small prompt, with the chat template around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How callers come to the service, as the settings say."""

    host: str
    public_url: str | None
    trusted_proxies: str
    cors_origins: tuple[str, ...]
    signs_in: bool  # whether people sign in on the page

    @classmethod
    def of(cls, settings: Settings) -> "Reach":
        return cls(
            host=settings.host,
            public_url=settings.public_url,
            trusted_proxies=settings.trusted_proxies,
            cors_origins=settings.cors_origins,
            signs_in=any(each.client_id for each in settings.identity_providers),
        )


def judge_model(found: ModelFacts | GeneratorError | None, answer_tokens: int) -> Finding:
    """found: None if no model server is configured. answer_tokens: that are kept for an answer."""
    if found is None:
        return good("No model server is configured: quotes answer.")
    if isinstance(found, GeneratorError):
        return wrong(
            f"The model server does not serve: {found}",
            found.remedy or "Start it, or correct CLEARANCE_LLM_URL, _MODEL, _API_KEY and _STYLE.",
        )
    told = f"{found.name} is served, with a window of {found.window} tokens; its template works."
    if found.window < SMALL_WINDOW or found.window < answer_tokens + found.counted:
        return advice(
            told, f"Serve it with a window of {SMALL_WINDOW} or more, or few passages fit into it."
        )
    return good(told)


def judge_open_routes(address: str, open_routes: Sequence[str]) -> Finding:
    """open_routes: those that answer without a key."""
    host = urlsplit(address).hostname or ""
    if is_loopback(host):
        return good(
            "The model server listens on this machine; nobody else reaches it by that address."
        )
    if open_routes:
        return advice(
            f"The model server is on another machine and answers without a key: {', '.join(open_routes)}.",
            "Give it a key (CLEARANCE_LLM_API_KEY) and let a firewall keep everybody but the service"
            " away: vLLM's key guards /v1 alone.",
        )
    return good("The model server is on another machine and answers nobody without a key.")


def judge_reach(reach: Reach) -> list[Finding]:
    """One finding for each part of the way to the service."""
    return [_judge_public_url(reach), _judge_proxies(reach), _judge_origins(reach.cors_origins)]


def _judge_public_url(reach: Reach) -> Finding:
    url, beyond = reach.public_url, not is_loopback(reach.host)
    if url is None:
        if reach.signs_in:
            return wrong(
                "People sign in on the page, and CLEARANCE_PUBLIC_URL says not where it is.",
                "Set it to the https address that people use.",
            )
        if beyond:
            return advice(
                f"The service listens on {reach.host}, and CLEARANCE_PUBLIC_URL says not where"
                " people reach it.",
                "Set it to their https address: links and the check of origins need it.",
            )
        return good("The service is for this machine: no public address is set.")
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        return wrong(
            "CLEARANCE_PUBLIC_URL is not https: keys and answers go in the clear, and browsers keep"
            " no cookie of the page.",
            "Put a proxy with TLS in front (docs/behind-a-proxy.md), and set its address.",
        )
    return good("People reach the service by a safe address; its cookies are for TLS alone.")


def _judge_proxies(reach: Reach) -> Finding:
    trusted = [each.strip() for each in reach.trusted_proxies.split(",") if each.strip()]
    wide = [each for each in trusted if each == "*" or _is_wide(each)]
    bad = [each for each in trusted if each != "*" and not _is_network(each)]
    if bad:
        return wrong(
            f"Entries of CLEARANCE_TRUSTED_PROXIES that are no address and no network: {len(bad)}.",
            "Write addresses or networks with commas between, such as 10.0.0.5, 10.1.0.0/24.",
        )
    if wide:
        return wrong(
            "CLEARANCE_TRUSTED_PROXIES lets everybody say which address they come from.",
            "Name the addresses of your proxies alone.",
        )
    if not is_loopback(reach.host) and trusted == ["127.0.0.1"] and reach.public_url:
        return advice(
            f"The service listens on {reach.host}, and trusts a proxy on this machine alone.",
            "If the proxy is on another one, name it in CLEARANCE_TRUSTED_PROXIES; if not, listen on"
            " 127.0.0.1.",
        )
    return good("Only the named proxies say who asked.")


def _judge_origins(origins: Sequence[str]) -> Finding:
    plain = [each for each in origins if each.startswith("http://") and not _is_local_page(each)]
    if plain:
        return advice(
            f"Pages of CLEARANCE_CORS_ORIGINS without TLS: {len(plain)} of {len(origins)};"
            " whoever is on the way can change them, and use the keys that people give them.",
            "Serve these pages by https.",
        )
    return good(f"Other origins whose pages may use the service: {len(origins)}.")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches this host. A name of another kind counts as reachable."""
    if host in _EVERYWHERE:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local_page(origin: str) -> bool:
    return is_loopback(urlsplit(origin).hostname or "")


def _is_network(given: str) -> bool:
    try:
        ipaddress.ip_network(given, strict=False)
    except ValueError:
        return False
    return True


def _is_wide(given: str) -> bool:
    return _is_network(given) and ipaddress.ip_network(given, strict=False).prefixlen == 0


# Looking


def _look_at_model(settings: Settings) -> Finding:
    return judge_model(asyncio.run(_read_model(settings)), settings.llm_answer_tokens)


async def _read_model(settings: Settings) -> ModelFacts | GeneratorError | None:
    try:
        async with open_model(settings) as model:
            if model is None:
                return None
            served = await model.served_model()
            counted = await model.count(_small_prompt(settings))
            return ModelFacts(name=served.name, window=served.window, counted=counted)
    except GeneratorError as error:
        return error


def _small_prompt(settings: Settings) -> Prompt:
    if settings.llm_style == "completion":
        return Prompt(text=_TRIED)
    return Prompt(messages=(Message("system", "Answer briefly."), Message("user", _TRIED)))


def _look_at_open_routes(settings: Settings) -> Sequence[Finding]:
    if settings.llm_url is None:
        return [good("No model server is configured.")]
    found = asyncio.run(find_open_routes(settings, LOOK_S))
    return [judge_open_routes(address, routes) for address, routes in found.items()]


def _look_at_reach(settings: Settings) -> Sequence[Finding]:
    return judge_reach(Reach.of(settings))


CHECKS = (
    Check("model", _look_at_model, limit_s=15.0),
    Check("model routes", _look_at_open_routes, limit_s=10.0),
    Check("reach", _look_at_reach),
)
