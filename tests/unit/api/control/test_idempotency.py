"""`Idempotency-Key`: what costs money is done once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Body, Request
from structlog.testing import capture_logs
from support.control_world import ControlWorld, control_world

from sip_edge.api.control.idempotency import KEEP_SECONDS, IdempotentRoute, idempotency_key_of
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

pytestmark = pytest.mark.asyncio

WAIT_SECONDS = 30.0
"""For what takes milliseconds, unless it never comes."""


@dataclass
class Shop:
    """Sells something, once an order; may fail first, or be slow."""

    world: ControlWorld
    orders: list[Any] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def buy(self, body: Any, key: str | None = "k1", secret: str | None = None) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        async with self.world.client(secret) as client:
            return await client.post("/v1/orders", json=body, headers=headers)


async def open_shop() -> Shop:
    shop = Shop(await control_world())
    shop.gate.set()
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/v1/orders", status_code=201)
    async def order(request: Request, item: Annotated[dict[str, int], Body()]) -> dict[str, int]:
        shop.begun.set()
        await shop.gate.wait()
        shop.keys.append(idempotency_key_of(request))
        if shop.failures:
            raise shop.failures.pop()
        shop.orders.append(item)
        return {"number": len(shop.orders)}

    shop.world.app.include_router(router)
    return shop


def seen(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


async def test_same_request_is_carried_out_once_and_answered_alike() -> None:
    shop = await open_shop()
    first = await shop.buy({"a": 1, "b": 2})
    again = await shop.buy({"b": 2, "a": 1})

    assert seen(first) == seen(again) == (201, {"number": 1})
    assert len(shop.orders) == 1
    assert shop.keys == ["k1"]


async def test_without_a_key_every_request_counts() -> None:
    shop = await open_shop()
    await shop.buy({"a": 1}, key=None)
    await shop.buy({"a": 1}, key=None)

    assert len(shop.orders) == 2
    assert shop.keys == [None, None]


async def test_key_of_another_request_is_refused() -> None:
    shop = await open_shop()
    await shop.buy({"a": 1})

    answer = await shop.buy({"a": 2})

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(shop.orders) == 1


async def test_keys_of_two_workspaces_have_nothing_to_do_with_each_other() -> None:
    shop = await open_shop()
    await shop.buy({"a": 1})

    answer = await shop.buy({"a": 1}, secret=shop.world.theirs)

    assert seen(answer) == (201, {"number": 2})


async def test_second_request_is_told_to_wait_while_the_first_is_at_work() -> None:
    shop = await open_shop()
    shop.gate.clear()
    first = asyncio.create_task(shop.buy({"a": 1}))
    async with asyncio.timeout(WAIT_SECONDS):
        await shop.begun.wait()
    second = await shop.buy({"a": 1})
    shop.gate.set()

    assert second.status_code == 409
    assert second.json()["error"]["code"] == "IDEMPOTENCY_IN_PROGRESS"
    assert second.headers["Retry-After"] == "2"
    async with asyncio.timeout(WAIT_SECONDS):
        assert (await first).status_code == 201
    assert len(shop.orders) == 1


@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.CARRIER_UNAVAILABLE,
        ErrorCode.CARRIER_RATE_LIMITED,
        ErrorCode.PURCHASE_PENDING,
        ErrorCode.NUMBER_LIMIT_REACHED,
    ],
)
async def test_failure_that_may_pass_can_be_tried_again(code: ErrorCode) -> None:
    shop = await open_shop()
    shop.failures = [ProvisioningError(code, "Later.")]
    failed = await shop.buy({"a": 1})

    assert failed.json()["error"]["code"] == code.value
    assert seen(await shop.buy({"a": 1})) == (201, {"number": 1})


async def test_refusal_is_kept() -> None:
    shop = await open_shop()
    shop.failures = [ProvisioningError(ErrorCode.NUMBER_UNAVAILABLE, "Gone.")]
    refused = await shop.buy({"a": 1})

    assert refused.status_code == 409
    assert seen(await shop.buy({"a": 1})) == seen(refused)
    assert shop.orders == []


async def test_fault_of_ours_gives_the_key_back() -> None:
    shop = await open_shop()
    shop.failures = [RuntimeError("broken")]
    with capture_logs():
        assert (await shop.buy({"a": 1})).status_code == 500

    assert (await shop.buy({"a": 1})).status_code == 201


async def test_invalid_request_does_not_use_the_key_up() -> None:
    shop = await open_shop()
    assert (await shop.buy({"a": "x"})).status_code == 422

    assert (await shop.buy({"a": 1})).status_code == 201


async def test_answer_is_forgotten_after_a_day() -> None:
    shop = await open_shop()
    await shop.buy({"a": 1})
    shop.world.idempotency.now = KEEP_SECONDS

    assert seen(await shop.buy({"a": 1})) == (201, {"number": 2})


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_key_that_cannot_be_one_is_refused(key: str) -> None:
    shop = await open_shop()

    answer = await shop.buy({"a": 1}, key=key)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
    assert shop.orders == []
