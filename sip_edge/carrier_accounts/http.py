"""Requests to a carrier's API: bounded in time and size, repeated only where that is harmless."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import httpx
import orjson

from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault

CONNECT_SECONDS: Final = 3.0
"""Both carriers answer a SYN from anywhere in a fifth of this."""

ANSWER_SECONDS: Final = 15.0
"""One request from beginning to end. Buying a number takes Twilio a second or two."""

MAX_CONNECTIONS: Final = 8
"""Per account; what is above waits. Twilio answers 429 to many more at once."""

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""The longest list that is asked for (1000 trunks) has about 1 MiB."""

READ_ATTEMPTS: Final = 3
"""A question may be asked again: this often in all."""

READ_PAUSES: Final = (0.2, 0.8)
"""Seconds before the second and the third attempt."""

LONGEST_RETRY_AFTER_SECONDS: Final = 2.0
"""A carrier that wants a longer pause is not waited for while a client waits for us."""

MAX_RETRY_AFTER_SECONDS: Final = 3600.0
"""Whoever asks for more is read as if it asked for this."""

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures that come before the first byte of the request."""

Params = Sequence[tuple[str, str]]
Json = Mapping[str, Any]
Explain = Callable[[Json], tuple[CarrierFault | None, str]]
"""What a carrier's account of a refusal says: which fault (None: see the status), and its code."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status and its JSON object, which is empty if there was none."""

    status: int
    body: Json


class CarrierHttp:
    """One carrier's API, with one account's credentials. Raises CarrierError alone."""

    def __init__(
        self,
        *,
        name: str,
        explain: Explain,
        headers: Mapping[str, str] | None = None,
        login: tuple[str, str] | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._explain = explain
        self._answer_seconds = answer_seconds
        self._sleep = sleep
        self._client = httpx.AsyncClient(
            auth=None if login is None else httpx.BasicAuth(*login),
            # No compression: its bound would hold for what is sent, not for what it unpacks to.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"}
            | dict(headers or {}),
            timeout=httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=20.0),
            follow_redirects=False,
            verify=_trust(),
            # The environment must not send customers' keys through a proxy that nobody configured.
            trust_env=False,
        )

    async def read(self, url: str, params: Params = (), *, missing_is_fine: bool = False) -> Reply:
        """GET; asked again when the carrier is down for a moment.

        With `missing_is_fine`, 404 is an answer like any other.
        """
        attempt = 0
        while True:
            try:
                reply = await self._send("GET", url, params=params)
                return self._judge(reply, is_write=False, missing_is_fine=missing_is_fine)
            except CarrierError as error:
                pause = self._pause(error, attempt)
                if pause is None:
                    raise
            attempt += 1
            await self._sleep(pause)

    async def write(
        self,
        method: str,
        url: str,
        *,
        form: Params | None = None,
        json: Json | None = None,
        missing_is_fine: bool = False,
    ) -> Reply:
        """POST, PATCH or DELETE; sent once."""
        reply = await self._send(method, url, form=form, json=json)
        return self._judge(reply, is_write=True, missing_is_fine=missing_is_fine)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _pause(self, error: CarrierError, attempt: int) -> float | None:
        """How long to wait before asking again; None if there is no point."""
        if not error.is_passing or attempt + 1 >= READ_ATTEMPTS:
            return None
        pause = READ_PAUSES[attempt]
        if error.retry_after_seconds is None:
            return pause
        if error.retry_after_seconds > LONGEST_RETRY_AFTER_SECONDS:
            return None
        return max(pause, error.retry_after_seconds)

    async def _send(
        self,
        method: str,
        url: str,
        *,
        params: Params = (),
        form: Params | None = None,
        json: Json | None = None,
    ) -> tuple[int, httpx.Headers, bytes]:
        is_write = method != "GET"
        content, headers = _encode(form, json)
        try:
            async with (
                asyncio.timeout(self._answer_seconds),
                self._client.stream(
                    method, url, params=list(params), content=content, headers=headers
                ) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise CarrierError(
                            CarrierFault.UNKNOWN,
                            f"{self._name} answered with more than {MAX_ANSWER_BYTES} bytes",
                            may_have_happened=is_write,
                        )
                return response.status_code, response.headers, bytes(body)
        except _NOT_SENT as error:
            raise CarrierError(
                CarrierFault.DOWN, f"no connection to {self._name} ({type(error).__name__})"
            ) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise CarrierError(
                CarrierFault.DOWN,
                f"{self._name} did not answer ({type(error).__name__})",
                may_have_happened=is_write,
            ) from None
        except httpx.InvalidURL:
            raise CarrierError(
                CarrierFault.UNKNOWN, f"an id makes no URL of {self._name}"
            ) from None

    def _judge(
        self,
        received: tuple[int, httpx.Headers, bytes],
        *,
        is_write: bool,
        missing_is_fine: bool,
    ) -> Reply:
        """The reply if it is good news, else the fault. Carriers refine it by their own codes."""
        status, headers, raw = received
        if status == 404 and missing_is_fine:
            return Reply(status, {})
        if 200 <= status < 300:
            return Reply(status, self._success(raw, is_write=is_write))
        fault, code = self._explain(_object(raw) or {})
        message = f"{self._name} answered {status}" + (f", code {code}" if code else "")
        if status == 429 or fault is CarrierFault.RATE_LIMITED:
            # Twilio: "never processed and always safe to retry"; Telnyx refuses before it looks.
            raise CarrierError(
                CarrierFault.RATE_LIMITED,
                message,
                retry_after_seconds=_retry_after(headers.get("retry-after", "")),
            )
        if status >= 500 or status == 408:
            raise CarrierError(CarrierFault.DOWN, message, may_have_happened=is_write)
        if fault is None and status in (401, 403):
            fault = CarrierFault.BAD_CREDENTIALS
        raise CarrierError(fault or CarrierFault.UNKNOWN, message)

    def _success(self, raw: bytes, *, is_write: bool) -> Json:
        if not raw:
            return {}
        body = _object(raw)
        if body is None:
            raise CarrierError(
                CarrierFault.UNKNOWN,
                f"{self._name} answered with something that is no JSON object",
                may_have_happened=is_write,
            )
        return body


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """The authorities to believe: reading them takes longer than a request, and they stay."""
    return httpx.create_ssl_context(trust_env=False)


def _encode(form: Params | None, json: Json | None) -> tuple[bytes | None, dict[str, str]]:
    if form is not None:
        text = str(httpx.QueryParams(list(form)))
        return text.encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if json is not None:
        return orjson.dumps(json), {"Content-Type": "application/json"}
    return None, {}


def _object(raw: bytes) -> Json | None:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _retry_after(text: str) -> float | None:
    """Seconds; a date, which neither carrier sends, counts as nothing said."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    return min(float(int(text)), MAX_RETRY_AFTER_SECONDS)
