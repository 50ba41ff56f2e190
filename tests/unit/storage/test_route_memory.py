"""The routes as data: joined, counted, digested."""

from __future__ import annotations

from support.route_rows import AGENT_A, AGENT_B, agent_row, number_row

from sip_edge.storage.route_memory import Digest, Problem, RouteMemory


def memory_of(*, agents: list[dict[str, object]], numbers: list[dict[str, object]]) -> RouteMemory:
    memory = RouteMemory()
    memory.agents.store(agents, except_keys=())
    memory.numbers.store(numbers, except_keys=())
    return memory


def test_number_is_joined_with_the_agents_it_names() -> None:
    memory = memory_of(
        agents=[agent_row(AGENT_A, name="A"), agent_row(AGENT_B, name="B")],
        numbers=[number_row("+12025550101", agent=AGENT_A, fallback=AGENT_B)],
    )

    route = memory.route("+12025550101", is_stale=True)

    assert route is not None
    assert route.number.phone_number == "+12025550101"
    assert route.primary is not None
    assert route.primary.name == "A"
    assert route.fallback is not None
    assert route.fallback.name == "B"
    assert route.is_stale


def test_agents_that_do_not_exist_are_none() -> None:
    memory = memory_of(
        agents=[], numbers=[number_row("+12025550101", agent=AGENT_A, fallback="front-desk")]
    )

    route = memory.route("+12025550101", is_stale=False)

    assert route is not None
    assert (route.primary, route.fallback) == (None, None)


def test_unknown_number_has_no_route() -> None:
    assert RouteMemory().route("+12025550101", is_stale=False) is None


def test_change_to_an_agent_is_seen_by_the_numbers_that_name_it() -> None:
    memory = memory_of(
        agents=[agent_row(AGENT_A, name="old")], numbers=[number_row("+12025550101", agent=AGENT_A)]
    )

    memory.agents.store([agent_row(AGENT_A, name="new", row_hash=8)], except_keys=())

    route = memory.route("+12025550101", is_stale=False)
    assert route is not None
    assert route.primary is not None
    assert route.primary.name == "new"


def test_row_with_a_known_hash_is_not_decoded_again() -> None:
    memory = memory_of(agents=[agent_row(AGENT_A, name="old", row_hash=7)], numbers=[])

    memory.agents.store([agent_row(AGENT_A, name="new", row_hash=7)], except_keys=())

    agent = memory.agents.get(AGENT_A)
    assert agent is not None
    assert agent.name == "old"


def test_row_of_which_a_newer_state_is_known_to_exist_is_left_alone() -> None:
    memory = memory_of(agents=[agent_row(AGENT_A, name="old", row_hash=7)], numbers=[])

    memory.agents.store([agent_row(AGENT_A, name="new", row_hash=8)], except_keys={AGENT_A})

    agent = memory.agents.get(AGENT_A)
    assert agent is not None
    assert agent.name == "old"


def test_digest_counts_and_sums_what_is_there() -> None:
    memory = memory_of(
        agents=[agent_row(AGENT_A, row_hash=-5), agent_row(AGENT_B, row_hash=2)],
        numbers=[
            number_row("+12025550101", row_hash=2**62),
            number_row("+12025550102", row_hash=3),
        ],
    )

    assert memory.digest == Digest(2, 2**62 + 3, 2, -3)


def test_digest_follows_changes_and_removals() -> None:
    memory = memory_of(
        agents=[agent_row(AGENT_A, row_hash=-5), agent_row(AGENT_B, row_hash=2)],
        numbers=[number_row("+12025550101", row_hash=10), number_row("+12025550102", row_hash=3)],
    )

    memory.numbers.store([number_row("+12025550101", row_hash=11)], except_keys=())
    memory.numbers.drop(["+12025550102", "+12025550109"])
    memory.agents.drop([AGENT_A])

    assert memory.digest == Digest(1, 11, 1, 2)
    assert memory.numbers.keys() == ["+12025550101"]


def test_problem_is_told_once_until_it_changes() -> None:
    memory = RouteMemory()
    bad = agent_row(AGENT_A, worker_url="ftp://host", row_hash=1)
    still_bad = agent_row(AGENT_A, worker_url="gopher://host", row_hash=2)
    empty = agent_row(AGENT_A, worker_url=None, row_hash=3)

    told = [memory.agents.store([row], except_keys=()) for row in (bad, still_bad, empty)]

    assert told == [
        [Problem("agents", AGENT_A, "worker_url must begin with ws:// or wss://")],
        [],
        [Problem("agents", AGENT_A, "the agent has no worker_url")],
    ]


def test_all_agents_that_numbers_name_are_listed_once() -> None:
    memory = memory_of(
        agents=[],
        numbers=[
            number_row("+12025550101", agent=AGENT_B, fallback=AGENT_A),
            number_row("+12025550102", agent=AGENT_B),
        ],
    )

    assert memory.named_agents() == [AGENT_A, AGENT_B]


def test_rows_that_a_pass_did_not_see_are_found() -> None:
    memory = memory_of(agents=[], numbers=[number_row("+12025550101"), number_row("+12025550102")])

    memory.numbers.start_pass()
    memory.numbers.store([number_row("+12025550102"), number_row("+12025550103")], except_keys=())
    memory.numbers.drop_unseen(memory.numbers.keys())

    assert memory.numbers.keys() == ["+12025550102", "+12025550103"]
    assert memory.digest == Digest(2, 2, 0, 0)
