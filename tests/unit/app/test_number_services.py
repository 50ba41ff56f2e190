"""What keeps the reconciler going."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from structlog.testing import capture_logs
from support import virtual_time
from support.number_stores import InMemoryPurchases, Tables
from support.number_world import NumberWorld

from sip_edge.app.number_services import keep_reconciling
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import Purchase
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
