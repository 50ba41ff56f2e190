"""What notifications say, collected."""

from __future__ import annotations

import pytest

from sip_edge.storage.route_changes import Changes, PendingChanges

EVERYTHING = Changes(numbers=frozenset(), agents=frozenset(), everything=True)


def test_named_keys_are_collected_until_they_are_taken() -> None:
    pending = PendingChanges()
    pending.add("phone_numbers:+12025550101,+12025550102")
    pending.add("phone_numbers:+12025550102,+12025550103")
    pending.add("agents:aaaa")

    assert pending.take() == Changes(
        numbers=frozenset({"+12025550101", "+12025550102", "+12025550103"}),
        agents=frozenset({"aaaa"}),
        everything=False,
    )
    assert not pending


@pytest.mark.parametrize(
    "payload",
    ["phone_numbers:*", "agents:*", "", ":", "agents", "agents:", "carriers:5", "please reload"],
)
def test_what_names_no_keys_means_everything(payload: str) -> None:
    pending = PendingChanges()
    pending.add("agents:aaaa")
    pending.add(payload)

    assert pending.take() == EVERYTHING


def test_very_many_keys_mean_everything() -> None:
    pending = PendingChanges()
    for start in range(0, 5001, 100):
        keys = ",".join(f"+1202555{number:04}" for number in range(start, start + 100))
        pending.add(f"phone_numbers:{keys}")

    assert pending.take() == EVERYTHING


def test_it_is_true_while_something_is_pending() -> None:
    pending = PendingChanges()
    seen = [bool(pending)]
    for payload in ("agents:aaaa", "phone_numbers:+12025550101", "agents:*"):
        pending.add(payload)
        seen.append(bool(pending))
        pending.take()

    assert seen == [False, True, True, True]


def test_every_notification_changes_the_generation() -> None:
    pending = PendingChanges()
    generations = [pending.generation]
    for payload in ("agents:aaaa", "agents:aaaa", "agents:*"):
        pending.add(payload)
        pending.take()
        generations.append(pending.generation)

    assert sorted(set(generations)) == generations
