"""An identity provider is asked seldom, whatever callers send, and believed only as itself."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from indexes.errors import NotAuthenticated, ProviderUnavailable
from indexes.settings import IdentityProvider, Settings
from service.http.oidc.provider import COOL_DOWN_S, FRESH_S, RETRY_S, Provider

ISSUER = "https://corp.test"
SETTINGS = IdentityProvider(name="corp", issuer=ISSUER, audience="us", keys_kept_s=1_000)


def jwk(kid: str, **more: Any) -> dict[str, Any]:
    public = rsa.generate_private_key(65537, 2048).public_key()
    published: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(public))
    return published | {"kid": kid} | more


@dataclass
class Site:
    """What a provider publishes, and how often it was asked."""

    keys: list[Any] = field(default_factory=lambda: [jwk("one")])
    metadata: dict[str, Any] = field(
        default_factory=lambda: {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    )
    asked: int = 0
    is_down: bool = False
    now: float = 0.0
    before: Callable[[], None] = lambda: None

    def fetch(self, address: str) -> Any:
        if address.startswith(f"{ISSUER}/.well-known/"):
            self.asked += 1
            self.before()
            if self.is_down:
                raise ProviderUnavailable()
            return self.metadata
        return {"keys": self.keys}

    def provider(self) -> Provider:
        return Provider(SETTINGS, fetch=self.fetch, clock=lambda: self.now)


def test_it_is_not_asked_again_while_its_keys_are_fresh() -> None:
    site = Site()
    provider = site.provider()
    for site.now in (0.0, 1.0, FRESH_S - 1):
        assert provider.find_key("one", "RS256") is not None
    assert site.asked == 1
    site.now = FRESH_S + 1
    provider.find_key("one", "RS256")
    assert site.asked == 2


def test_a_flood_of_unknown_keys_makes_it_asked_once_in_a_while() -> None:
    site = Site()
    provider = site.provider()
    for tick in range(3_000):
        site.now = tick / 100  # for half a minute
        with pytest.raises(NotAuthenticated):
            provider.find_key(f"unknown {tick}", "RS256")
    assert site.asked == 1
    site.keys.append(jwk("two"))
    site.now = COOL_DOWN_S + 1
    assert provider.find_key("two", "RS256") is not None
    assert site.asked == 2


def test_while_it_is_down_its_last_keys_hold_for_the_time_that_is_set() -> None:
    site = Site()
    provider = site.provider()
    provider.find_key("one", "RS256")
    site.is_down = True
    for tick in range(1, 1_300):
        site.now = float(tick)
        provider.find_key("one", "RS256")
    assert site.asked <= 2 + 1_000 / RETRY_S
    site.now = FRESH_S + 1_001
    with pytest.raises(ProviderUnavailable):
        provider.find_key("one", "RS256")
    site.is_down = False
    site.now += RETRY_S
    provider.find_key("one", "RS256")


def test_nobody_waits_for_it_who_can_do_without() -> None:
    site = Site()
    provider = site.provider()
    provider.find_key("one", "RS256")
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(10)

    site.before, site.now = hang, FRESH_S + 1
    slow = threading.Thread(target=provider.find_key, args=("one", "RS256"))
    slow.start()
    assert hangs.wait(10)
    assert provider.find_key("one", "RS256") is not None, "with the keys from before"
    goes_on.set()
    slow.join()
    assert site.asked == 2


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        {},
        {"issuer": ISSUER},
        {"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/keys"},
        {"issuer": "https://evil.test", "jwks_uri": f"{ISSUER}/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://corp.test/keys"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/keys"},
        {"issuer": ISSUER, "jwks_uri": ["https://corp.test/keys"]},
    ],
    ids=json.dumps,
)
def test_what_is_not_its_own_word_is_not_believed(metadata: Any) -> None:
    with pytest.raises(ProviderUnavailable):
        Site(metadata=metadata).provider().find_key("one", "RS256")


@pytest.mark.parametrize("keys", [None, {}, "keys", 7])
def test_what_is_no_list_of_keys_is_not_believed(keys: Any) -> None:
    with pytest.raises(ProviderUnavailable):
        Site(keys=keys).provider().find_key("one", "RS256")


def test_only_keys_that_sign_for_the_algorithm_are_found() -> None:
    curve = json.loads(OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key()))
    site = Site(
        keys=[
            jwk("plain"),
            jwk("bound", alg="RS512"),
            jwk("secret", use="enc"),
            curve | {"kid": "curve"},
            {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
            {"kty": "unheard of", "kid": "odd"},
            jwk("twice"),
            jwk("twice"),
            None,
            [],
        ]
    )
    provider = site.provider()
    for kid, algorithm in (("plain", "RS256"), ("plain", "PS256"), ("bound", "RS512")):
        assert provider.find_key(kid, algorithm) is not None
    for name in ("bound", "secret", "shared", "odd", "twice", None):
        with pytest.raises(NotAuthenticated):
            provider.find_key(name, "RS256")


def test_a_token_without_the_name_of_a_key_takes_the_only_one() -> None:
    assert Site().provider().find_key(None, "RS256") is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://corp.test"},
        {"issuer": "https://corp.test/?x=1"},
        {"issuer": "https://user:pass@corp.test"},
        {"issuer": "corp.test"},
        {"name": "Corp"},
        {"name": "a/b"},
        {"audience": ""},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"leeway_s": 61},
        {"nme": "corp"},
    ],
    ids=json.dumps,
)
def test_a_provider_that_is_set_wrongly_does_not_start(wrong: dict[str, Any]) -> None:
    good = {"name": "corp", "issuer": ISSUER, "audience": "us"}
    assert len(Settings(identity_providers=json.dumps([good])).identity_providers) == 1
    for given in ([good | wrong], [good, good]):
        with pytest.raises(ValueError, match="identity_providers"):
            Settings(identity_providers=json.dumps(given))
