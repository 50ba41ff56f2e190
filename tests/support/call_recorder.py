"""A process that has calls and writes their records, until it is killed.

    python -m support.call_recorder SPOOL_DIR DSN FIRST_NUMBER CALLS

Every 2 ms or so a call begins; each ends within 0.1 s, but every tenth never does. A call that
ended 100 ms ago is reported by its number, on a line of its own.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from time import perf_counter

from support.call_records import RecordLog, facts_of, report_of, timeline_of

from sip_edge.routing.timeline import Stage
from sip_edge.storage.call_records import CallRecords
from sip_edge.storage.call_store import PostgresCallStore
from sip_edge.storage.pool import connect

NEVER_ENDS = 10
PROMISED_SECONDS = 0.1


async def one_call(records: CallRecords, number: int) -> None:
    """A call from its INVITE to its end."""
    began = perf_counter()
    records.call_started(facts_of(number), began)
    if number % NEVER_ENDS == 0:
        await asyncio.Event().wait()
    await asyncio.sleep(number % 7 * 0.015)
    timeline = timeline_of(
        {Stage.ANSWER: 0.001, Stage.END: perf_counter() - began}, invite_at=began
    )
    records.call_ended(report_of(number, timeline=timeline))
    await asyncio.sleep(PROMISED_SECONDS)
    print(number, flush=True)


async def main(spool_dir: str, dsn: str, first: int, calls: int) -> None:
    """Calls, and a database that may be there or not."""
    records = CallRecords(
        spool_dir=Path(spool_dir), process="killed", observer=RecordLog(), clock=perf_counter
    )
    async with records:
        store = PostgresCallStore(lambda: connect(dsn))
        writing = asyncio.create_task(records.run(store))
        tasks = []
        for number in range(first, first + calls):
            tasks.append(asyncio.create_task(one_call(records, number)))
            await asyncio.sleep(0.002)
        await asyncio.wait([writing, *tasks])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
