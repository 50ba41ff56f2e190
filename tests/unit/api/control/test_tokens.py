"""Dashboard users' tokens."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from structlog.testing import capture_logs
from support.ticks import Ticks

from sip_edge.api.control.tokens import TokenError, TokenVerifier, read_key_set

pytestmark = pytest.mark.asyncio

RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
ISSUER, AUDIENCE = "https://auth.example.com/", "https://api.example.com"


def key_set(*names: str) -> bytes:
    """A JWKS with these of our keys."""
    keys = {
        "r1": {**json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "r1"},
        "e1": {**json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key())), "kid": "e1"},
    }
    return json.dumps({"keys": [keys[name] for name in names]}).encode()


class Issuer:
    """Gives its key set, and counts how often."""

    def __init__(self, data: bytes) -> None:
        self.data: bytes | None = data
        self.asked = 0

    def read(self) -> bytes:
        self.asked += 1
        if self.data is None:
            raise OSError("away")
        return self.data


def verifier(issuer: Issuer, ticks: Ticks | None = None) -> TokenVerifier:
    return TokenVerifier(
        issuer=ISSUER,
        audience=AUDIENCE,
        workspace_claim="org",
        read=issuer.read,
        clock=ticks or Ticks(0.0),
    )


def token(key: Any = RSA_KEY, *, algorithm: str = "RS256", kid: str = "r1", **claims: Any) -> str:
    now = datetime.now(UTC)
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now + timedelta(hours=1),
        "org": "shop",
        **claims,
    }
    kept = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})


async def test_token_of_the_issuer_names_its_workspace() -> None:
    tokens = verifier(Issuer(key_set("r1", "e1")))

    assert await tokens.workspace(token()) == "shop"
    assert await tokens.workspace(token(EC_KEY, algorithm="ES256", kid="e1")) == "shop"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example.com/"}, {"aud": "https://other.example.com"},
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)}, {"exp": None}, {"iss": None}, {"aud": None},
        {"org": None}, {"org": 5}, {"org": ""}, {"org": "a\0b"}, {"org": "x" * 201},
        {"nbf": datetime(2999, 1, 1, tzinfo=UTC)},
    ],
)  # fmt: skip
async def test_token_for_others_or_of_another_time_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        await verifier(Issuer(key_set("r1"))).workspace(token(**claims))


async def test_token_of_a_stranger_is_refused() -> None:
    with pytest.raises(TokenError):
        await verifier(Issuer(key_set("r1"))).workspace(token(STRANGER))


async def test_public_key_is_no_secret_to_sign_with() -> None:
    """The classic: HS256 with the public key's text."""
    public = json.dumps(json.loads(key_set("r1"))["keys"][0]).encode()

    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    head = part({"alg": "HS256", "kid": "r1"})
    body = part({"iss": ISSUER, "aud": AUDIENCE, "exp": 9_999_999_999, "org": "shop"})
    signature = base64.urlsafe_b64encode(hmac.digest(public, head + b"." + body, "sha256")).rstrip(
        b"="
    )
    unsigned = part({"alg": "none", "kid": "r1"}) + b"." + body + b"."

    for forged in (head + b"." + body + b"." + signature, unsigned):
        with pytest.raises(TokenError):
            await verifier(Issuer(key_set("r1"))).workspace(forged.decode())


@pytest.mark.parametrize("text", ["a.b.c", "..", "e30.e30.", "x" * 100])
async def test_junk_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        await verifier(Issuer(key_set("r1"))).workspace(text)


async def test_strangers_do_not_make_us_fetch() -> None:
    issuer, ticks = Issuer(key_set("r1")), Ticks(0.0)
    tokens = verifier(issuer, ticks)
    for number in range(5):
        with pytest.raises(TokenError):
            await tokens.workspace(token(STRANGER, kid=f"x{number}"))

    assert issuer.asked == 1


async def test_new_key_is_found_after_a_pause_and_an_old_one_forgotten() -> None:
    issuer, ticks = Issuer(key_set("r1")), Ticks(0.0)
    tokens = verifier(issuer, ticks)
    await tokens.workspace(token())
    issuer.data = key_set("e1")
    ticks.now = 60.0

    assert await tokens.workspace(token(EC_KEY, algorithm="ES256", kid="e1")) == "shop"
    with pytest.raises(TokenError):
        await tokens.workspace(token())


@pytest.mark.parametrize("data", [None, b"", b"[]", b"{}", b'{"keys": []}', b"x" * 2_000_000])
async def test_issuer_that_is_away_locks_nobody_out(data: bytes | None) -> None:
    issuer, ticks = Issuer(key_set("r1")), Ticks(0.0)
    tokens = verifier(issuer, ticks)
    await tokens.workspace(token())
    issuer.data = data
    ticks.now = 3_600.0
    with capture_logs() as lines:
        assert await tokens.workspace(token()) == "shop"

    assert issuer.asked == 2
    assert [line["event"] for line in lines] == ["key_set_unavailable"]


async def test_key_set_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set("r1"))

    assert read_key_set(str(path)) == key_set("r1")
    with pytest.raises(OSError, match="absent"):
        read_key_set(str(tmp_path / "absent.json"))
