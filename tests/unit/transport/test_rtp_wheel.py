"""The one 20 ms clock of all calls. The clock of these tests jumps; instants are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support.virtual_time import VirtualTimeLoop, run

from sip_edge.transport.rtp_wheel import RtpWheel


class Member:
    """Notes when it is ticked, relative to the test's beginning, in milliseconds."""

    def __init__(self, on_tick: Callable[[], None] | None = None) -> None:
        self.began_at = asyncio.get_running_loop().time()
        self.ticks: list[tuple[float, int]] = []
        self._on_tick = on_tick

    @property
    def instants(self) -> list[float]:
        return [at for at, _ in self.ticks]

    def tick(self, now: float, frames: int) -> None:
        self.ticks.append((round((now - self.began_at) * 1000, 3), frames))
        if self._on_tick is not None:
            self._on_tick()


def virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def new_wheel(on_lag: Callable[[float], None] | None = None) -> RtpWheel:
    return RtpWheel(loop=asyncio.get_running_loop(), on_lag=on_lag)


def test_member_is_ticked_every_20_ms():
    async def check() -> list[float]:
        wheel, member = new_wheel(), Member()
        wheel.add(member)
        await asyncio.sleep(0.105)
        wheel.remove(member)
        return member.instants

    assert run(check()) == [20, 40, 60, 80, 100]


def test_lateness_does_not_add_up():
    async def check() -> list[float]:
        wheel = new_wheel()

        def work() -> None:
            virtual_loop().clock += 0.003

        member = Member(work)
        wheel.add(member)
        await asyncio.sleep(0.17)
        wheel.remove(member)
        return member.instants

    assert run(check()) == [20, 40, 60, 80, 100, 120, 140, 160]


def test_members_are_spread_over_slots_of_2_ms():
    async def check() -> list[float]:
        wheel = new_wheel()
        members = [Member() for _ in range(10)]
        for member in members:
            wheel.add(member)
        await asyncio.sleep(0.0201)
        for member in members:
            wheel.remove(member)
        return [member.instants[0] for member in members]

    assert run(check()) == [20, 2, 4, 6, 8, 10, 12, 14, 16, 18]


def test_slots_are_filled_evenly():
    async def check() -> int:
        wheel = new_wheel()
        members = [Member() for _ in range(25)]
        for member in members:
            wheel.add(member)
        await asyncio.sleep(0.0405)
        for member in members:
            wheel.remove(member)
        instants = [member.instants[0] for member in members]
        return max(instants.count(at) for at in instants)

    assert run(check()) == 3


def test_slot_of_a_member_that_left_is_used_again():
    async def check() -> list[float]:
        wheel = new_wheel()
        first, second, third = Member(), Member(), Member()
        wheel.add(first)
        wheel.add(second)
        wheel.remove(first)
        wheel.add(third)
        await asyncio.sleep(0.0201)
        return third.instants + second.instants

    assert run(check()) == [20, 2]


def test_member_that_left_is_ticked_no_more():
    async def check() -> list[float]:
        wheel, member = new_wheel(), Member()
        wheel.add(member)
        await asyncio.sleep(0.05)
        wheel.remove(member)
        await asyncio.sleep(0.1)
        return member.instants

    assert run(check()) == [20, 40]


def test_idle_wheel_has_no_timer():
    async def check() -> None:
        wheel, member = new_wheel(), Member()
        wheel.add(member)
        wheel.remove(member)
        await asyncio.get_running_loop().create_future()

    # The loop of the test raises when there is nothing left that it could wait for.
    with pytest.raises(RuntimeError, match="never happen"):
        run(check())


def test_wheel_starts_anew_after_it_was_idle():
    async def check() -> list[float]:
        wheel, first = new_wheel(), Member()
        wheel.add(first)
        wheel.remove(first)
        await asyncio.sleep(0.5)
        second = Member()
        wheel.add(second)
        await asyncio.sleep(0.05)
        wheel.remove(second)
        return second.instants

    assert run(check()) == [20, 40]


def test_removing_twice_or_unknown_members_does_nothing():
    async def check() -> int:
        wheel, member, other = new_wheel(), Member(), Member()
        wheel.add(member)
        wheel.remove(other)
        wheel.remove(member)
        wheel.remove(member)
        return len(wheel)

    assert run(check()) == 0


def test_stall_is_told_in_frames_and_the_grid_is_kept():
    async def check() -> list[tuple[float, int]]:
        wheel, member = new_wheel(), Member()
        wheel.add(member)
        await asyncio.sleep(0.021)
        virtual_loop().clock += 0.090  # Until 111 ms: 40, 60, 80 and 100 are missed.
        await asyncio.sleep(0.012)
        wheel.remove(member)
        return member.ticks

    assert run(check()) == [(20, 1), (111, 4), (120, 1)]


def test_lag_is_measured():
    async def check() -> tuple[list[float], float]:
        lags: list[float] = []
        wheel, member = new_wheel(lags.append), Member()
        wheel.add(member)
        await asyncio.sleep(0.021)
        virtual_loop().clock += 0.024  # Until 45 ms.
        await asyncio.sleep(0.02)
        wheel.remove(member)
        return [round(lag, 6) for lag in lags], round(wheel.max_lag, 6)

    assert run(check()) == ([0, 0.005, 0], 0.005)


def test_member_may_leave_in_its_own_turn():
    async def check() -> list[float]:
        wheel = new_wheel()
        member = Member(lambda: wheel.remove(member))
        wheel.add(member)
        await asyncio.sleep(0.1)
        return member.instants

    assert run(check()) == [20]


def test_member_removed_by_another_one_in_the_same_turn_is_not_ticked():
    async def check() -> int:
        wheel = new_wheel()
        others = [Member() for _ in range(9)]
        victim = Member()
        killer = Member(lambda: wheel.remove(victim))
        for member in (killer, *others, victim):  # The eleventh shares the first one's slot.
            wheel.add(member)
        await asyncio.sleep(0.05)
        for member in (killer, *others):
            wheel.remove(member)
        return len(victim.ticks)

    assert run(check()) == 0


def test_member_that_raises_does_not_stop_the_others():
    async def check() -> tuple[int, int, int]:
        loop, problems = asyncio.get_running_loop(), []
        loop.set_exception_handler(lambda _, context: problems.append(context))
        wheel = new_wheel()

        def fail() -> None:
            raise LookupError("a bug")

        bad, others = Member(fail), [Member() for _ in range(10)]
        for member in (bad, *others):  # The last one shares the first one's slot, behind it.
            wheel.add(member)
        await asyncio.sleep(0.2001)
        for member in (bad, *others):
            wheel.remove(member)
        return len(problems), len(others[0].ticks), len(others[-1].ticks)

    assert run(check()) == (10, 10, 9)
