"""The reconciler: finishes or gives back what requests, or dead processes, have left open.

Any number of processes may run one. Each takes purchases that are due for itself (see
`PurchaseStore.lease`) and makes one step of each.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sip_edge.provisioning.errors import ProvisioningError
from sip_edge.provisioning.number_values import PurchaseState
from sip_edge.provisioning.purchase_steps import LEASE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.provisioning.number_ports import PurchaseStore
    from sip_edge.provisioning.number_values import Purchase
    from sip_edge.provisioning.ports import WallClock
    from sip_edge.provisioning.purchase_steps import PurchaseSteps

BATCH: Final = 4
"""How many purchases are taken at once: all of them must be done within the lease of the last."""

PAUSE_SECONDS: Final = 2.0
"""Between two looks at a table that has nothing due. The look is one index scan."""

OVERDUE: Final = timedelta(minutes=15)
"""A purchase that is so long under way in one state is counted: nearly all are over in a minute,
and one that nobody has heard of becomes DOUBTFUL by then, which is counted elsewhere."""

_MAX_STEPS: Final = 3
"""ORDERING to BOUGHT to ACTIVE; the third is for what was not foreseen."""


class Reconciler:
    """Works off purchases that are due. Raises ProvisioningError if the database is away.

    `tell_overdue` gets, each round, how many purchases are under way for too long (`OVERDUE`).
    """

    def __init__(
        self,
        *,
        store: PurchaseStore,
        steps: PurchaseSteps,
        clock: WallClock,
        tell_overdue: Callable[[int], None],
    ) -> None:
        self._store = store
        self._steps = steps
        self._clock = clock
        self._tell_overdue = tell_overdue

    async def run_once(self) -> int:
        """Make the next steps of some purchases; how many were due.

        A fault of ours at one of them is raised when the others have had their turn: the oldest
        comes first each time, and must not keep the rest from theirs.
        """
        now = self._clock()
        taken = await self._store.lease(now=now, until=now + LEASE, limit=BATCH)
        fault: Exception | None = None
        for purchase in taken:
            if self._clock() >= purchase.due_at:
                continue
            try:
                await self._work(purchase)
            except ProvisioningError:
                raise
            except Exception as error:  # noqa: BLE001 - raised below
                fault = fault or error
        self._tell_overdue(await self._store.count_overdue(self._clock() - OVERDUE))
        if fault is not None:
            raise fault
        return len(taken)

    async def _work(self, purchase: Purchase) -> None:
        """Go on while steps succeed; the first that does not has set the time for the next."""
        for _ in range(_MAX_STEPS):
            before, state = purchase, purchase.state
            purchase = await self._steps.advance(before)
            is_done = purchase.is_final or purchase.state is PurchaseState.DOUBTFUL
            if is_done or purchase.state is state:
                return
