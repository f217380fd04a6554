"""npm's `oidc-provider`, started for tests: a real identity provider whose keys the tests know."""

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

HERE = Path(__file__).parent
INSTALLED = HERE.parents[2] / "var" / "oidc-provider"
AUDIENCE = "https://clearance.test"


@dataclass
class IdentityProvider:
    """One that runs. Clients of the grant `client_credentials` are its people: `sub` is their id."""

    folder: Path
    port: int
    groups: dict[str, Sequence[str]] = field(default_factory=dict)
    redirects: Sequence[str] = ()
    keys: list[tuple[str, rsa.RSAPrivateKey]] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rotate(self) -> None:
        """Signs with a new key; the one before is gone."""
        self.keys.insert(0, (f"key-{len(self.keys)}", rsa.generate_private_key(65537, 2048)))
        self._write_setup()
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)
            self._read_line("read again")

    def start(self) -> None:
        command = ["node", "provider.mjs", str(self.port), str(self.folder)]
        self.process = subprocess.Popen(
            command, cwd=INSTALLED, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._read_line("ready")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def access_token(self, who: str) -> str:
        """As the provider gives it to this person."""
        reply = httpx2.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", "client_id": who, "client_secret": "secret"},
            trust_env=False,
        )
        assert reply.status_code == 200, reply.text
        return str(reply.json()["access_token"])

    def signed(
        self,
        claims: Mapping[str, Any],
        *,
        header: Mapping[str, Any] | None = None,
        key: int = 0,
        algorithm: str = "RS256",
    ) -> str:
        """What the provider would never sign, signed with its key."""
        name, private = self.keys[key]
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600}
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        headers = {"typ": "at+jwt", "kid": name, **(header or {})}
        content = json.dumps(said).encode()  # whatever it is, unlike `jwt.encode`
        return jwt.PyJWS().encode(content, private, algorithm=algorithm, headers=headers)

    def public_pem(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self.keys[0][1].public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def _write_setup(self) -> None:
        name, private = self.keys[0]
        key = json.loads(RSAAlgorithm.to_jwk(private)) | {"kid": name, "use": "sig", "alg": "RS256"}
        key.pop("key_ops", None)
        people = [
            {
                "client_id": who,
                "client_secret": "secret",
                "grant_types": ["client_credentials"],
                "redirect_uris": [],
                "response_types": [],
                "token_endpoint_auth_method": "client_secret_post",
            }
            for who in ("ada", "bob", "eve")
        ]
        page = {
            "client_id": "page",
            "client_secret": "page secret",
            "redirect_uris": [f"{address}/sign-in/callback" for address in self.redirects],
            "post_logout_redirect_uris": [f"{address}/" for address in self.redirects],
            "scope": "openid groups",
        }
        setup = {
            "jwks": {"keys": [key]},
            "clients": people + ([page] if self.redirects else []),
            "groups": self.groups,
            "audience": AUDIENCE,
        }
        (self.folder / "setup.json").write_text(json.dumps(setup), encoding="utf-8")

    def _read_line(self, wanted: str) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == wanted:
                return
        raise AssertionError(f"the identity provider ended before it said {wanted!r}")


@contextmanager
def identity_provider(
    folder: Path,
    groups: Mapping[str, Sequence[str]] | None = None,
    redirects: Sequence[str] = (),
) -> Iterator[IdentityProvider]:
    """Runs while the block does."""
    install_provider()
    folder.mkdir(parents=True, exist_ok=True)
    made = IdentityProvider(folder, free_port(), dict(groups or {}), redirects)
    made.rotate()
    made.start()
    try:
        yield made
    finally:
        made.stop()


def install_provider() -> None:
    """Skips the test aloud where it is not there."""
    if (INSTALLED / "node_modules" / "oidc-provider").is_dir() and shutil.which("node"):
        shutil.copy(HERE / "provider.mjs", INSTALLED)
        return
    pytest.skip("NO identity provider is installed, so sign-in is NOT tested; run: make setup-oidc")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
