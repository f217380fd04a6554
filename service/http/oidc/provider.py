"""One identity provider: what it publishes about itself, and its public keys.

Nobody who only sends tokens can make us ask it often: for a key that nobody has heard of it is
asked once in a while, and one thread at a time waits for it. All others go on with what is known,
so that whoever comes with an API key finds a free thread.
"""

import json
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import quote_plus

import httpx2
import jwt
from anyio import create_task_group, move_on_after, to_thread

from indexes.errors import NotAuthenticated, ProviderUnavailable
from indexes.settings import IdentityProvider
from indexes.web_addresses import is_safe_address

FRESH_S = 300.0  # its keys are not asked for again so soon
RETRY_S = 5.0  # between two attempts, if one failed
COOL_DOWN_S = 30.0  # between two, if a token names a key that is not known
ANSWER_S = 5.0  # for one answer of it
START_S = 2.0  # for all of them, when the service starts
MAX_ANSWER_BYTES = 1 << 20
MAX_KEYS = 100
DISCOVERY = "/.well-known/openid-configuration"

log = logging.getLogger("clearance.identity")

Fetch = Callable[[str], Any]
"""The JSON at an address. Raises ProviderUnavailable."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key of a provider."""

    id: str | None
    algorithm: str | None  # None: any that its kind is for
    key: Any  # of the library that verifies


@dataclass(frozen=True, slots=True)
class Published:
    """What the provider says about itself."""

    metadata: Mapping[str, Any]
    keys: tuple[SigningKey, ...]
    at: float  # by the clock

    def find_key(self, key_id: str | None, algorithm: str) -> Any | None:
        """The public key by this name for this algorithm; without a name, the only one."""
        fit = [
            each.key
            for each in self.keys
            if each.algorithm in (None, algorithm) and key_id in (None, each.id)
        ]
        return fit[0] if len(fit) == 1 else None


class Provider:
    """Threads may share it."""

    def __init__(
        self,
        settings: IdentityProvider,
        *,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._client = make_client(settings)
        self._fetch = fetch or (lambda address: _fetch_json(self._client, address))
        self._clock = clock
        self._known: Published | None = None
        self._asked_at = float("-inf")
        self._asking = Lock()

    def close(self) -> None:
        self._client.close()

    def find_key(self, key_id: str | None, algorithm: str) -> Any:
        """Raises NotAuthenticated if it has no such key, ProviderUnavailable."""
        found = self.published().find_key(key_id, algorithm)
        if found is None:
            found = self._ask_again(COOL_DOWN_S).find_key(key_id, algorithm)
        if found is None:
            raise NotAuthenticated()
        return found

    def published(self) -> Published:
        """Raises ProviderUnavailable if it is too long ago that it was heard of."""
        known = self._known
        if known is not None and self._clock() - known.at < FRESH_S:
            return known
        return self._ask_again(RETRY_S)

    def send_form(self, address: str, form: Mapping[str, str]) -> Any:
        """What it replies to a form of the page, as JSON. Raises ProviderUnavailable."""
        secret = self.settings.client_secret
        if secret is None:
            return _fetch_json(self._client, address, form)
        ways = self.published().metadata.get("token_endpoint_auth_methods_supported")
        if isinstance(ways, list) and "client_secret_post" in ways:
            said = {**form, "client_secret": secret.get_secret_value()}
            return _fetch_json(self._client, address, said)
        names = self.settings.client_id or "", secret.get_secret_value()
        auth = httpx2.BasicAuth(*(quote_plus(name) for name in names))
        return _fetch_json(self._client, address, form, auth)

    def _ask_again(self, pause_s: float) -> Published:
        """What it says now, or said last if it was asked a moment ago or cannot be reached."""
        if self._asking.acquire(blocking=False):
            try:
                if self._clock() - self._asked_at >= pause_s:
                    self._asked_at = self._clock()
                    self._known = self._ask()
            except ProviderUnavailable as error:
                fields = {"provider": self.settings.name, "reason": str(error)}
                log.warning("an identity provider cannot be asked", extra={"fields": fields})
            finally:
                self._asking.release()
        return self._last_good()

    def _last_good(self) -> Published:
        known = self._known
        if known is None or self._clock() - known.at > FRESH_S + self.settings.keys_kept_s:
            raise ProviderUnavailable(f"It is {self.settings.name}.")
        return known

    def _ask(self) -> Published:
        metadata = self._fetch(self.settings.issuer.rstrip("/") + DISCOVERY)
        if not isinstance(metadata, dict) or metadata.get("issuer") != self.settings.issuer:
            raise ProviderUnavailable(f"{self.settings.issuer} calls itself by another name.")
        address = metadata.get("jwks_uri")
        if not isinstance(address, str) or not is_safe_address(address.partition("?")[0]):
            raise ProviderUnavailable(f"{self.settings.issuer} names no safe address of its keys.")
        return Published(metadata, _read_keys(self._fetch(address)), self._clock())


async def ask_at_start(providers: Iterable[Provider]) -> None:
    """So that whoever comes first need not wait. Those that cannot be reached are asked later."""

    def ask(provider: Provider) -> None:
        with suppress(ProviderUnavailable):
            provider.published()

    with move_on_after(START_S):
        async with create_task_group() as tasks:
            for provider in providers:
                tasks.start_soon(partial(to_thread.run_sync, ask, provider, abandon_on_cancel=True))


def make_client(settings: IdentityProvider) -> httpx2.Client:
    """A client that trusts what the operating system trusts, and follows nothing."""
    return httpx2.Client(
        verify=ssl.create_default_context(),
        timeout=ANSWER_S,
        trust_env=False,
        follow_redirects=False,
        proxy=settings.proxy,
    )


def _read_keys(published: Any) -> tuple[SigningKey, ...]:
    """Those that can be used; a provider may publish kinds that nobody here knows."""
    listed = published.get("keys") if isinstance(published, dict) else None
    if not isinstance(listed, list):
        raise ProviderUnavailable("It published no list of keys.")
    found = []
    for each in listed[:MAX_KEYS]:
        if isinstance(each, dict) and each.get("kty") != "oct" and each.get("use", "sig") == "sig":
            with suppress(jwt.PyJWTError, ValueError, TypeError):
                found.append(SigningKey(each.get("kid"), each.get("alg"), jwt.PyJWK(each).key))
    return tuple(found)


def _fetch_json(
    client: httpx2.Client,
    address: str,
    form: Mapping[str, str] | None = None,
    auth: httpx2.BasicAuth | None = None,
) -> Any:
    until = time.monotonic() + ANSWER_S
    body = bytearray()
    try:
        method = "GET" if form is None else "POST"
        with client.stream(method, address, data=form, auth=auth) as reply:
            for part in reply.iter_bytes():
                body += part
                if len(body) > MAX_ANSWER_BYTES or time.monotonic() > until:
                    raise ProviderUnavailable(f"{address}: it answers too much or too slowly.")
            if reply.status_code != 200:
                raise ProviderUnavailable(f"{address}: status {reply.status_code}.")
        return json.loads(body)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as error:
        raise ProviderUnavailable(f"{address}: {type(error).__name__}.") from error
