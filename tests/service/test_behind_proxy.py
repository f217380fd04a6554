"""The service behind a real TLS proxy, set up as the example says."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.testing.loopback import Loopback
from tests.service.conftest import House

ROOT = Path(__file__).parents[2]
QUESTION = {"question": "When do salaries rise?"}


def certificate(place: Path) -> None:
    """Certificate and key in one file, as haproxy wants it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place.write_bytes(made.public_bytes(pem) + private)


@pytest.fixture
def proxied(house: House, tmp_path: Path) -> Iterator[httpx2.Client]:
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        pytest.skip("*** haproxy is not installed: the way through a TLS proxy is NOT TESTED ***")
    place = tmp_path / "ask.pem"
    certificate(place)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Loopback(house.app, "on") as service:
        environment = {
            **os.environ,
            "LISTEN": f"127.0.0.1:{port}",
            "CERTIFICATE": str(place),
            "SERVICE": service.url.removeprefix("http://"),
        }
        command = [program, "-db", "-f", str(ROOT / "examples" / "haproxy.cfg")]
        proxy = subprocess.Popen(command, env=environment)
        trusted = ssl.create_default_context(cafile=str(place))
        try:
            with httpx2.Client(
                base_url=f"https://127.0.0.1:{port}", verify=trusted, trust_env=False, timeout=30
            ) as client:
                _wait_until_ready(client)
                yield client
        finally:
            proxy.kill()
            proxy.wait()


def _wait_until_ready(client: httpx2.Client) -> None:
    for _ in range(200):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError("the proxy does not answer")


def test_questions_and_errors_come_through_as_they_are(house: House, proxied: httpx2.Client):
    told = proxied.post("/ask", json=QUESTION, headers=house.headers("ada"))
    assert told.status_code == 200
    assert told.json()["citations"]
    assert told.headers["strict-transport-security"] == "max-age=63072000"
    refused = proxied.post("/search", json=QUESTION)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert proxied.get("/metrics", headers=house.headers("root")).status_code == 404


def test_an_answer_comes_word_by_word(house: House, proxied: httpx2.Client):
    house.model.delay_s = 0.3
    arrived: list[float] = []
    body = QUESTION | {"stream": True}
    with proxied.stream("POST", "/ask", json=body, headers=house.headers("ada")) as reply:
        for line in reply.iter_lines():
            if line == "event: token":
                arrived.append(time.monotonic())
    assert len(arrived) > 2
    assert arrived[-1] - arrived[0] > 0.3


def test_who_asked_is_the_address_that_the_proxy_saw(house: House, proxied: httpx2.Client):
    """Whatever the caller says of itself."""
    wrong = {
        "Authorization": "Bearer clr_000000000000_" + "A" * 43,
        "X-Forwarded-For": "198.51.100.7",
    }
    assert proxied.post("/search", json=QUESTION, headers=wrong).status_code == 401
    with closing(house.catalog.open_trail()) as trail:
        told = [record.body for record in house.catalog.books(trail).records()]
    assert [body["address"] for body in told if body["kind"] == "refused"] == ["127.0.0.1"]
