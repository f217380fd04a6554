"""Bearer tokens of a real identity provider, and what it would never sign."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.testclient import TestClient

from indexes.errors import BadPrincipal
from indexes.model import Readers
from indexes.settings import IdentityProvider as ProviderSettings
from service.app import create_app
from service.http.oidc import provider as provider_module
from service.http.oidc.tokens import KeysAndTokens
from tests.service.conftest import readers
from tests.service.oidc.identity_provider import AUDIENCE, IdentityProvider, identity_provider
from tests.world import TESTER

pytestmark = pytest.mark.slow

QUESTION = {
    "question": "When do salaries rise, when does the engine ship, and what is soup?",
    "k": 9,
}
GROUPS = {"ada": ["staff", "temps"], "bob": ["staff"]}


@pytest.fixture(scope="module")
def corp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    with identity_provider(tmp_path_factory.mktemp("corp"), GROUPS) as made:
        yield made


def settings_of(given: IdentityProvider, **more: Any) -> ProviderSettings:
    return ProviderSettings(
        **{"name": "corp", "issuer": given.issuer, "audience": AUDIENCE, "keys_kept_s": 0} | more
    )


def serve(house: Any, *providers: ProviderSettings) -> TestClient:
    settings = house.settings.model_copy(update={"identity_providers": providers})
    app = create_app(settings, embedder=house.embedder, model=house.model, catalog=house.catalog)
    return TestClient(app)


@pytest.fixture
def http(house: Any, corp: IdentityProvider) -> Iterator[TestClient]:
    """ada and bob are linked; groups of the provider are in rules."""
    for user in ("ada", "bob"):
        house.catalog.subjects.link(user, "corp", corp.issuer, user, by=TESTER)
    for group in ("corp/staff", "corp/temps"):
        house.catalog.people.add_group(group, external=True, by=TESTER)
    house.put("contract", "Contracts and soup.", readers("group:corp/staff"))
    denied = Readers(allow=frozenset({"public"}), deny=frozenset({"group:corp/temps"}))
    house.put("wages", "Wages and soup.", denied)
    with serve(house, settings_of(corp)) as client:
        yield client


def search(http: TestClient, token: str) -> Any:
    return http.post("/search", json=QUESTION, headers={"Authorization": f"Bearer {token}"})


def titles(reply: Any) -> set[str]:
    assert reply.status_code == 200, reply.text
    return {hit["title"] for hit in reply.json()["passages"]}


def test_whom_the_provider_names_reads_what_the_catalog_and_the_token_say(
    http: TestClient, corp: IdentityProvider
) -> None:
    for _ in range(2):
        assert titles(search(http, corp.access_token("ada"))) == {"Salaries", "Menu", "Contract"}
        assert titles(search(http, corp.access_token("bob"))) == {
            "Roadmap",
            "Menu",
            "Contract",
            "Wages",
        }
    assert search(http, corp.access_token("eve")).status_code == 401, "nobody here"
    headers = {"Authorization": f"Bearer {corp.access_token('ada')}"}
    assert http.get("/whoami", headers=headers).json()["name"] == "user:ada"
    assert http.get("/admin/templates", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"groups": None},
        {"groups": "staff"},
        {"groups": {"0": "staff"}},
        {"groups": ["staff", 7]},
        {"groups": ["staff"], "hasgroups": True},
        {"groups": ["staff"], "_claim_names": {"groups": "src1"}},
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}},
        {"groups": ["staff"], "_claim_names": "groups"},
    ],
    ids=json.dumps,
)
def test_a_token_that_does_not_tell_all_groups_falls_under_every_deny(
    http: TestClient, corp: IdentityProvider, said: dict[str, Any]
) -> None:
    assert titles(search(http, corp.signed(said))) - {"Contract"} == {"Salaries", "Menu"}
    told = corp.signed({"groups": []})
    assert titles(search(http, told)) == {"Salaries", "Menu", "Wages"}


def test_groups_of_ours_and_of_others_do_not_count_from_a_token(
    http: TestClient, corp: IdentityProvider, house: Any
) -> None:
    house.catalog.people.add_group("other/staff", external=True, by=TESTER)
    house.put("foreign", "Foreign soup.", readers("group:other/staff"))
    said = ["eng", "group:eng", "../eng", "other/staff", "group:other/staff", "public", ""]
    assert titles(search(http, corp.signed({"groups": said}))) == {"Salaries", "Menu", "Wages"}


def test_a_group_is_the_same_in_every_form_of_its_letters(
    http: TestClient, corp: IdentityProvider, house: Any
) -> None:
    house.catalog.people.add_group("corp/caf\u00e9", external=True, by=TESTER)
    house.put("coffee", "Coffee and soup.", readers("group:corp/caf\u00e9"))
    token = corp.signed({"groups": ["cafe\u0301"]})
    assert "Coffee" in titles(search(http, token))


def hostile(corp: IdentityProvider) -> dict[str, str]:
    now = int(time.time())
    foreign = rsa.generate_private_key(65537, 2048)
    usual = {"iss": corp.issuer, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600}
    kid = corp.keys[0][0]
    good = corp.signed({})
    head, body, signature = good.split(".")
    public = corp.public_pem()

    def encode(part: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    def hmac_signed(secret: bytes) -> str:
        text = f"{encode({'alg': 'HS256', 'typ': 'at+jwt', 'kid': kid})}.{encode(usual)}"
        digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    return {
        "expired": corp.signed({"exp": now - 120}),
        "without an end": corp.signed({"exp": None}),
        "with an endless end": corp.signed({"exp": float("inf")}),
        "with a word as its end": corp.signed({"exp": "tomorrow"}),
        "not yet": corp.signed({"nbf": now + 600}),
        "of another issuer": corp.signed({"iss": "https://evil.test"}),
        "of an issuer with a slash": corp.signed({"iss": corp.issuer + "/"}),
        "of no issuer": corp.signed({"iss": None}),
        "for another audience": corp.signed({"aud": "https://other.test"}),
        "for no audience": corp.signed({"aud": None}),
        "for a part of the audience": corp.signed({"aud": AUDIENCE[:-1]}),
        "of nobody": corp.signed({"sub": None}),
        "of an empty subject": corp.signed({"sub": ""}),
        "of a number": corp.signed({"sub": 7}),
        "of a long subject": corp.signed({"sub": "a" * 256}),
        "an id token": corp.signed({"nonce": "n"}, header={"typ": "JWT"}),
        "of another kind": corp.signed({}, header={"typ": "logout+jwt"}),
        "of no kind": corp.signed({}, header={"typ": None}),
        "with an unknown key": corp.signed({}, header={"kid": "no such key"}),
        "with a critical extension": corp.signed({}, header={"crit": ["exp"], "exp": 1}),
        "signed by another": jwt.encode(
            usual, foreign, "RS256", headers={"typ": "at+jwt", "kid": kid}
        ),
        "signed with a key that it brings": jwt.encode(
            usual,
            foreign,
            "RS256",
            headers={
                "typ": "at+jwt",
                "jwk": json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(foreign.public_key())),
                "jku": "https://evil.test/keys",
            },
        ),
        "signed with a curve": jwt.encode(
            usual,
            ec.generate_private_key(ec.SECP256R1()),
            "ES256",
            headers={"typ": "at+jwt", "kid": kid},
        ),
        "not signed": f"{encode({'alg': 'none', 'typ': 'at+jwt'})}.{encode(usual)}.",
        "not signed, in capitals": f"{encode({'alg': 'NONE', 'typ': 'at+jwt'})}.{encode(usual)}.",
        "signed with the public key": hmac_signed(public),
        "signed with the public key, shorn": hmac_signed(public.strip()),
        "signed with nothing": hmac_signed(b""),
        "changed": f"{head}.{encode({**usual, 'sub': 'bob'})}.{signature}",
        "of a signature less": f"{head}.{body}.",
        "of parts too many": f"{good}.{signature}",
        "of two halves": f"{head}.{body}",
        "deep": f"{encode({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 15_000).decode()}.x",
        "of a list of algorithms": f"{encode({'alg': ['RS256']})}.{encode(usual)}.{signature}",
        "a list": f"{head}.{encode([usual])}.{signature}",
        "with a list as issuer": corp.signed({"iss": [corp.issuer]}),
        "long": "a" * 24_000,
    }


def test_what_the_provider_would_never_sign_is_refused_alike(
    http: TestClient, corp: IdentityProvider
) -> None:
    assert search(http, corp.signed({})).status_code == 200
    wrong = search(http, "nonsense")
    for name, token in hostile(corp).items():
        reply = search(http, token)
        assert reply.status_code == 401, name
        assert reply.json() | {"instance": ""} == wrong.json() | {"instance": ""}, name


def test_an_id_token_is_refused_also_where_access_tokens_are_not_marked(
    house: Any, corp: IdentityProvider
) -> None:
    house.catalog.subjects.link("ada", "corp", corp.issuer, "ada", by=TESTER)
    with serve(house, settings_of(corp, access_tokens="unmarked")) as http:
        for typ in ("JWT", "jwt", None, "at+jwt", "application/at+jwt"):
            assert search(http, corp.signed({}, header={"typ": typ})).status_code == 200, typ
        others: list[dict[str, Any]] = [
            {"nonce": "n"},
            {"at_hash": "x"},
            {"typ": "ID"},
            {"events": {}},
        ]
        for said in others:
            assert search(http, corp.signed(said, header={"typ": "JWT"})).status_code == 401, said
        assert search(http, corp.signed({}, header={"typ": "logout+jwt"})).status_code == 401


def test_too_many_groups_are_refused_and_not_cut(house: Any, corp: IdentityProvider) -> None:
    house.catalog.subjects.link("ada", "corp", corp.issuer, "ada", by=TESTER)
    provider = provider_module.Provider(settings_of(corp))
    tokens = KeysAndTokens(house.catalog.keys, house.catalog.subjects, [provider])
    many = [f"group {number}" for number in range(10_001)]
    with pytest.raises(BadPrincipal, match="10001 groups"):
        tokens.authenticate(corp.signed({"groups": many}))
    who = tokens.authenticate(corp.signed({"groups": many[:-1]}))
    assert len(who.groups) == 10_000
    provider.close()


def test_who_is_disabled_unlinked_or_removed_is_refused_at_once(
    http: TestClient, corp: IdentityProvider, house: Any
) -> None:
    token, catalog = corp.access_token("ada"), house.catalog
    assert search(http, token).status_code == 200
    catalog.people.disable_user("ada", by=TESTER)
    assert search(http, token).status_code == 401
    catalog.people.enable_user("ada", by=TESTER)
    assert search(http, token).status_code == 200
    catalog.subjects.unlink("ada", by=TESTER)
    assert search(http, token).status_code == 401
    catalog.subjects.link("ada", "corp", corp.issuer, "ada", by=TESTER)
    catalog.people.remove_user("ada", by=TESTER)
    catalog.people.add_user("ada", by=TESTER)
    assert search(http, token).status_code == 401, "another ada"


def test_a_scope_of_a_person_opens_administration_and_ends_at_once(
    http: TestClient, corp: IdentityProvider, house: Any
) -> None:
    headers = {"Authorization": f"Bearer {corp.signed({'scope': 'admin', 'scopes': ['admin']})}"}
    assert http.get("/admin/templates", headers=headers).status_code == 403
    house.catalog.subjects.grant("ada", "operate", by=TESTER)
    assert http.get("/admin/templates", headers=headers).status_code == 200
    assert http.get("/admin/keys", headers=headers).status_code == 403
    house.catalog.subjects.withdraw("ada", "operate", by=TESTER)
    assert http.get("/admin/templates", headers=headers).status_code == 403


def test_two_providers_are_two_worlds(house: Any, corp: IdentityProvider, tmp_path: Path) -> None:
    with identity_provider(tmp_path / "other", {"ada": ["staff"]}) as other:
        house.catalog.subjects.link("ada", "corp", corp.issuer, "ada", by=TESTER)
        house.catalog.subjects.link("bob", "other", other.issuer, "ada", by=TESTER)
        for name in ("corp", "other"):
            house.catalog.people.add_group(f"{name}/staff", external=True, by=TESTER)
            house.put(f"of {name}", f"Soup of {name}.", readers(f"group:{name}/staff"))
        with serve(house, settings_of(corp), settings_of(other, name="other")) as http:
            ours, theirs = (each.access_token("ada") for each in (corp, other))
            assert titles(search(http, ours)) == {"Salaries", "Menu", "Of Corp"}
            assert titles(search(http, theirs)) == {"Roadmap", "Menu", "Of Other"}
            forged = other.signed({"iss": corp.issuer}, header={"kid": corp.keys[0][0]})
            assert search(http, forged).status_code == 401


def test_who_comes_first_is_welcome_only_if_the_settings_say_so(
    house: Any, corp: IdentityProvider
) -> None:
    house.put("rule", "Soup rules.", readers("user:corp/eve", "user:eve"))
    with serve(house, settings_of(corp)) as http:
        assert search(http, corp.access_token("eve")).status_code == 401
    with serve(house, settings_of(corp, new_people="welcome")) as http:
        assert titles(search(http, corp.access_token("eve"))) == {"Menu"}
        assert titles(search(http, corp.access_token("eve"))) == {"Menu"}
    assert len(house.catalog.people.users()) == 4


def test_a_new_key_is_found_and_the_old_one_is_forgotten(
    house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "COOL_DOWN_S", 0.0)
    with identity_provider(tmp_path / "corp", GROUPS) as corp:
        house.catalog.subjects.link("ada", "corp", corp.issuer, "ada", by=TESTER)
        with serve(house, settings_of(corp)) as http:
            old = corp.access_token("ada")
            assert search(http, old).status_code == 200
            corp.rotate()
            assert search(http, corp.access_token("ada")).status_code == 200
            assert search(http, old).status_code == 401, "its key is not published any more"


def test_while_the_provider_is_gone_its_keys_are_used_for_a_time(
    house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with identity_provider(tmp_path / "corp", GROUPS) as corp:
        house.catalog.subjects.link("ada", "corp", corp.issuer, "ada", by=TESTER)
        token = corp.access_token("ada")
        with serve(house, settings_of(corp, keys_kept_s=3)) as http:
            assert search(http, token).status_code == 200
            corp.stop()
            monkeypatch.setattr(provider_module, "FRESH_S", 0.0)
            assert search(http, token).status_code == 200
            time.sleep(3.1)
            reply = search(http, token)
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "10")
            assert reply.json()["type"] == "/problems/identity-provider-unavailable"
            key = house.keys["ada"]
            assert search(http, key).status_code == 200, "keys do not need it"
            corp.start()
            monkeypatch.setattr(provider_module, "RETRY_S", 0.0)
            assert search(http, token).status_code == 200


def test_a_provider_that_was_never_reached_lets_nobody_in(
    house: Any, corp: IdentityProvider
) -> None:
    nowhere = settings_of(corp, issuer="http://127.0.0.1:9")
    with serve(house, nowhere) as http:
        token = corp.signed({"iss": "http://127.0.0.1:9"})
        assert search(http, token).status_code == 503
        assert search(http, house.keys["ada"]).status_code == 200
