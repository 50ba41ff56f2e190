"""Requests to carriers: what is repeated and what is not, and what every failure is called."""

from __future__ import annotations

import time

import pytest
from support.carrier_fakes.server import Answer, FakeServer, Fault, FaultKind

from sip_edge.carrier_accounts.http import MAX_ANSWER_BYTES, CarrierHttp
from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault

pytestmark = pytest.mark.asyncio

SECRET = "s3cret-token"


class Pauses:
    """Sleeps for no time, and remembers how long it should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def carrier() -> FakeServer:
    fake = FakeServer()
    fake.route("GET", "/things", lambda request, match: Answer(200, {"count": 1}))
    fake.route("POST", "/things", lambda request, match: Answer(201, {"id": "T1"}))
    fake.route("GET", "/huge", lambda request, match: Answer(200, {"x": "y" * MAX_ANSWER_BYTES}))
    fake.route("GET", "/away", lambda request, match: Answer(302, {}, {"Location": "/things"}))
    return fake


def client(pauses: Pauses | None = None, *, answer_seconds: float = 10.0) -> CarrierHttp:
    return CarrierHttp(
        name="Carrier",
        explain=lambda body: (None, str(body.get("code", ""))),
        login=("user", SECRET),
        answer_seconds=answer_seconds,
        sleep=pauses or Pauses(),
    )


async def failure(http: CarrierHttp, method: str, url: str) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        await (http.read(url) if method == "GET" else http.write(method, url, json={}))
    await http.aclose()
    return caught.value


async def test_a_question_is_asked_again_when_the_carrier_is_down_for_a_moment(
    carrier: FakeServer,
) -> None:
    carrier.fail(Fault(method="GET", path="/things", kind=FaultKind.STATUS, status=503, times=2))
    pauses = Pauses()
    http = client(pauses)
    with carrier:
        reply = await http.read(f"{carrier.url}/things")
        await http.aclose()
    assert (reply.status, reply.body, pauses.seconds) == (200, {"count": 1}, [0.2, 0.8])


async def test_a_question_is_given_up_after_three_attempts(carrier: FakeServer) -> None:
    carrier.fail(Fault(method="GET", path="/things", kind=FaultKind.STATUS, status=500, times=9))
    with carrier:
        error = await failure(client(), "GET", f"{carrier.url}/things")
        assert len(carrier.lines()) == 3
    assert (error.fault, error.may_have_happened) == (CarrierFault.DOWN, False)


@pytest.mark.parametrize(
    "kind",
    [FaultKind.SILENCE_AFTER, FaultKind.STATUS_AFTER, FaultKind.CLOSE_AFTER],
)
async def test_an_order_without_an_answer_may_have_happened_and_is_not_sent_again(
    carrier: FakeServer, kind: FaultKind
) -> None:
    carrier.fail(Fault(method="POST", path="/things", kind=kind, status=502))
    with carrier:
        error = await failure(client(answer_seconds=0.5), "POST", f"{carrier.url}/things")
        assert carrier.lines() == ["POST /things"]
    assert (error.fault, error.may_have_happened) == (CarrierFault.DOWN, True)


async def test_an_order_whose_answer_cannot_be_read_may_have_happened(carrier: FakeServer) -> None:
    carrier.fail(Fault(method="POST", path="/things", kind=FaultKind.GARBAGE_AFTER))
    with carrier:
        error = await failure(client(), "POST", f"{carrier.url}/things")
    assert (error.fault, error.may_have_happened) == (CarrierFault.UNKNOWN, True)


async def test_a_carrier_that_cannot_be_reached_was_not_told_anything(carrier: FakeServer) -> None:
    with carrier:
        url = carrier.url
    error = await failure(client(), "POST", f"{url}/things")
    assert (error.fault, error.may_have_happened) == (CarrierFault.DOWN, False)


async def test_a_refused_order_has_not_happened(carrier: FakeServer) -> None:
    carrier.fail(
        Fault(method="POST", path="/", kind=FaultKind.STATUS, status=400, body={"code": 7})
    )
    with carrier:
        error = await failure(client(), "POST", f"{carrier.url}/things")
    assert (error.fault, error.may_have_happened) == (CarrierFault.UNKNOWN, False)
    assert error.message == "Carrier answered 400, code 7"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("999999", 3600.0), ("soon", None), (None, None)]
)
async def test_429_says_when_to_come_back(
    carrier: FakeServer, header: str | None, seconds: float | None
) -> None:
    carrier.fail(
        Fault(method="POST", path="/", kind=FaultKind.STATUS, status=429, retry_after=header)
    )
    with carrier:
        error = await failure(client(), "POST", f"{carrier.url}/things")
    assert (error.fault, error.may_have_happened) == (CarrierFault.RATE_LIMITED, False)
    assert error.retry_after_seconds == seconds


async def test_a_short_pause_is_made_and_a_long_one_is_the_clients_business(
    carrier: FakeServer,
) -> None:
    carrier.fail(Fault(method="GET", path="/", kind=FaultKind.STATUS, status=429, retry_after="1"))
    carrier.fail(Fault(method="GET", path="/", kind=FaultKind.STATUS, status=429, retry_after="30"))
    pauses = Pauses()
    with carrier:
        error = await failure(client(pauses), "GET", f"{carrier.url}/things")
        assert len(carrier.lines()) == 2
    assert (pauses.seconds, error.retry_after_seconds) == ([1.0], 30.0)


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(carrier: FakeServer) -> None:
    with carrier:
        error = await failure(client(), "GET", f"{carrier.url}/huge")
    assert (error.fault, error.message) == (
        CarrierFault.UNKNOWN,
        "Carrier answered with more than 4194304 bytes",
    )


async def test_a_redirection_is_not_followed_with_our_login(carrier: FakeServer) -> None:
    with carrier:
        error = await failure(client(), "GET", f"{carrier.url}/away")
        assert carrier.lines() == ["GET /away"]
    assert error.fault is CarrierFault.UNKNOWN


async def test_one_request_takes_no_longer_than_it_may(carrier: FakeServer) -> None:
    carrier.fail(Fault(method="POST", path="/", kind=FaultKind.SILENCE_BEFORE))
    with carrier:
        began = time.monotonic()
        await failure(client(answer_seconds=0.3), "POST", f"{carrier.url}/things")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("status", [401, 403])
async def test_rejected_credentials_are_a_fault_of_their_own(
    carrier: FakeServer, status: int
) -> None:
    carrier.fail(Fault(method="GET", path="/", kind=FaultKind.STATUS, status=status))
    with carrier:
        error = await failure(client(), "GET", f"{carrier.url}/things")
    assert error.fault is CarrierFault.BAD_CREDENTIALS


async def test_no_error_repeats_the_secret_the_url_or_what_was_sent(carrier: FakeServer) -> None:
    http = client()
    with carrier:
        carrier.fail(
            Fault(method="POST", path="/", kind=FaultKind.STATUS, status=418, body={"m": SECRET})
        )
        with pytest.raises(CarrierError) as caught:
            await http.write("POST", f"{carrier.url}/things/+12025550100", json={"k": SECRET})
        await http.aclose()
    told = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert SECRET not in told
    assert "2025550100" not in told
