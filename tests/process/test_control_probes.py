"""What somebody tries who wants more of the control API than is theirs, byte by byte."""

from __future__ import annotations

import asyncio

import pytest
from support.control_edge import ControlEdge
from support.polling import PATIENCE_SECONDS

pytestmark = [pytest.mark.asyncio, pytest.mark.postgres]

JSON = "Content-Type: application/json"


async def said(control: ControlEdge, *lines: str, body: bytes = b"") -> bytes:
    """What comes back for these header lines and bytes, until the other side has closed."""
    reader, writer = await asyncio.open_connection(control.edge.host, control.edge.api_port)
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def statuses(answer: bytes) -> list[bytes]:
    return [line.split()[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


async def test_request_hidden_in_another_ones_body_is_not_carried_out(control: ControlEdge) -> None:
    key = f"Authorization: Bearer {await control.make_key('probes')}"
    hidden = f"POST /v1/agents HTTP/1.1\r\nHost: a\r\n{key}\r\nContent-Length: 0\r\n\r\n".encode()
    post = ("POST /v1/agents HTTP/1.1", "Host: a", key, JSON)

    for framing in (
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: gzip, chunked",),
    ):
        answer = await said(control, *post, *framing, body=b"0\r\n\r\n" + hidden)
        assert statuses(answer) in ([b"400"], [b"501"]), (framing, answer)


@pytest.mark.parametrize(
    "target",
    ["/v1/agents", "/v1%2Fagents", "/%76%31/agents", "/v1/%2e%2e/v1/agents", "/v1//agents"],
)
async def test_no_spelling_of_a_path_needs_no_key(control: ControlEdge, target: str) -> None:
    answer = await said(control, f"GET {target} HTTP/1.1", "Host: a", "Connection: close")

    assert statuses(answer) == [b"401"]


@pytest.mark.parametrize(
    "target", ["/V1/agents", "//v1/agents", "http://a/v1/agents", "/x/../v1/agents", "*"]
)
async def test_what_is_not_our_path_is_none_of_ours(control: ControlEdge, target: str) -> None:
    key = f"Authorization: Bearer {await control.make_key('probes')}"
    answer = await said(control, f"GET {target} HTTP/1.1", "Host: a", key, "Connection: close")

    assert statuses(answer) == [b"404"]
    assert b"items" not in answer


async def test_bounds_hold_before_anything_is_read(control: ControlEdge) -> None:
    key = f"Authorization: Bearer {await control.make_key('probes')}"
    long_header = await said(control, "GET /v1/agents HTTP/1.1", "Host: a", f"X: {'a' * 200_000}")
    endless = await said(
        control,
        "POST /v1/agents HTTP/1.1", "Host: a", key, JSON, "Connection: close",
        "Content-Length: 99999999999999999999",
    )  # fmt: skip

    assert statuses(long_header) in ([b"400"], [])
    assert statuses(endless) == [b"413"]


async def test_key_that_is_revoked_opens_nothing_from_then_on(control: ControlEdge) -> None:
    async with control.client(await control.make_key("probes")) as owner:
        made = (await owner.post("/v1/api-keys", json={"name": "short-lived"})).json()
        async with control.client(made["key"]) as client:
            assert (await client.get("/v1/agents")).status_code == 200
            assert (await owner.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
            assert (await client.get("/v1/agents")).status_code == 401


async def test_answer_that_was_kept_is_its_workspaces_alone(control: ControlEdge) -> None:
    same = {"Idempotency-Key": "one and the same"}
    async with (
        control.client(await control.make_key("probes")) as ours,
        control.client(await control.make_key("strangers")) as theirs,
    ):
        agent = (await ours.post("/v1/agents", json={"name": "Ada"})).json()["id"]
        trunk = {"trunk_address": "a.example.com", "auth_username": "u", "auth_password": "p"}
        body = {
            "phone_number": "+12025550190",
            "provider": "twilio",
            "agent_id": agent,
            "provider_config": trunk,
        }
        first = await ours.post("/v1/phone-numbers", json=body, headers=same)
        again = await ours.post("/v1/phone-numbers", json=body, headers=same)
        stolen = await theirs.post("/v1/phone-numbers", json=body, headers=same)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert stolen.status_code == 400
    assert first.json()["id"] not in stolen.text
