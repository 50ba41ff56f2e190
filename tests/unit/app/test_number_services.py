"""What keeps the reconciler going, and what the log says of purchases."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pytest
from structlog.testing import capture_logs
from support import virtual_time
from support.carrier_account import AccountInMemory
from support.number_stores import InMemoryPurchases, Tables
from support.number_world import AGENT, NUMBER, WORKSPACE, NumberWorld

from sip_edge.app.number_services import PurchaseLog, keep_reconciling
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import Purchase, PurchaseRequest
from sip_edge.tasks import count_failures_with

AWAY = ProvisioningError(ErrorCode.DATABASE_UNAVAILABLE, "away")


class Troubled(InMemoryPurchases):
    """A store whose looks fail, one after the other, until there are no failures left."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__(Tables())
        self._failures = list(failures)
        self.looks = 0

    async def lease(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Purchase]:
        self.looks += 1
        if self._failures:
            raise self._failures.pop(0)
        return []


def test_reconciler_survives_outages_and_faults_of_ours_and_tells_of_both() -> None:
    store = Troubled(AWAY, AWAY, ZeroDivisionError(), AWAY)
    faults: list[None] = []

    async def work() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                await keep_reconciling(NumberWorld(purchases=store).reconciler)

    stop = count_failures_with(lambda: faults.append(None))
    with capture_logs() as logs:
        virtual_time.run(work())
    stop()

    # Four pauses of 5 s, then a look every 2 s.
    assert store.looks >= 20
    assert len(faults) == 1
    assert [each["event"] for each in logs].count("reconciler_waits") == 2
    assert [each["event"] for each in logs].count("task_failed") == 1


async def slow_purchase() -> Purchase:
    carrier = AccountInMemory()
    carrier.for_sale, carrier.is_slow = [NUMBER], True
    world = NumberWorld(platform=carrier)
    await world.purchases.purchase(WORKSPACE, PurchaseRequest(agent_id=AGENT, phone_number=NUMBER))
    return world.only_purchase()


@pytest.mark.asyncio
async def test_a_request_that_polls_tells_once_what_it_waits_for_and_warns_when_it_leaves() -> None:
    purchase = await slow_purchase()
    polled, final = PurchaseLog(lambda _: None, is_polled=True), PurchaseLog(lambda _: None)
    with capture_logs() as logs:
        for attempts in range(24):
            polled.purchase_delayed(replace(purchase, attempts=attempts), "pending")
        final.purchase_left_open(replace(purchase, attempts=24))
    assert [(each["event"], each["log_level"], each["attempts"]) for each in logs] == [
        ("purchase_delayed", "info", 0),
        ("purchase_delayed", "warning", 24),
    ]
    assert logs[1]["purchase_id"] == str(purchase.id)


@pytest.mark.asyncio
async def test_the_reconciler_warns_of_a_step_that_was_in_vain_for_a_minute() -> None:
    purchase = await slow_purchase()
    log = PurchaseLog(lambda _: None)
    with capture_logs() as logs:
        for attempts in range(7):
            log.purchase_delayed(replace(purchase, attempts=attempts), "pending")
    assert [each["log_level"] for each in logs] == ["info"] * 5 + ["warning"] * 2
