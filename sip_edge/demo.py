"""`sip-edge demo`: the server with example agents, real calls through it, and what came of them.

The phone and the agent worker run in processes of their own, as carriers and agents do.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from sip_edge.app import StartError, load_agents_and_numbers, newest_voicemail, running_server
from sip_edge.app.voicemails import render_greeting
from sip_edge.media.levels import is_silence, rms_dbfs
from sip_edge.media.tones import beep, chime
from sip_edge.media.wav import read_wav, ulaw_wav

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sip_edge.app import Server
    from sip_edge.config import ApiSettings, Config
    from sip_edge.routing.ports import CallReport

DEMO_FILE: Final = Path(__file__).resolve().parent.parent / "config" / "demo.toml"
WORKER_HOST: Final = "127.0.0.1"
WORKER_PORT: Final = 7860
WORKER_SECONDS: Final = 10.0
"""How long the demo worker may take to listen."""
ROUTE_SECONDS: Final = 10.0
VOICEMAIL_SECONDS: Final = 10.0
"""How long a message's row may take to be in the database."""
_BEEP_PART: Final = slice(320, 2240)
"""Of the beep's sound: its middle, which comes through the loopback unchanged."""
_CALLER_SAYS: Final = "Good morning. Please call me back tomorrow at nine."
_PAUSE: Final = b"\xff" * 160 * 50
"""A second: who leaves a message takes a breath after the beep."""
_FRAME: Final = 160
_VOICEMAIL_IS_RIGHT: Final = "each heard what the other said"
_ENOUGH: Final = 0.9
"""Of the frames that were spoken; a busy machine may lose a few of them, as a network does."""


@dataclass(frozen=True, slots=True)
class _DemoCall:
    """A call that the demo places, and how it should end (`routing.outcome.Outcome`)."""

    number: str
    title: str
    expected_outcome: str
    expected_status: int
    seconds: float = 3.0


_CALLS: Final = (
    _DemoCall("+12025550100", "an agent answers", "agent", 200),
    _DemoCall("+12025550101", "the primary's worker is down: the fallback", "fallback", 200),
    _DemoCall("+12025550102", "refused: the only agent is paused", "unavailable", 486),
    _DemoCall("+12025550104", "nobody is there: voicemail", "voicemail", 200, seconds=14.0),
)


async def demo(config: Config, *, once: bool) -> int:
    """Run the demo; 0 if every call ended as it should, 1 if not. Raises StartError."""
    print("sip-edge demo: starting PostgreSQL, the server and an agent worker ...", flush=True)
    async with _demo_worker(), running_server(_quiet(config)) as server:
        await load_agents_and_numbers(server.dsn, DEMO_FILE)
        await _wait_for_route(server, _CALLS[-1].number)
        _say_where(server)
        messages = config.voicemail.directory
        good = [
            await _place(server, messages, call, index)
            for index, call in enumerate(_CALLS, start=1)
        ]
        failed = good.count(False)
        if failed:
            print(f"\n{failed} of {len(good)} calls did not end as they should.", flush=True)
        else:
            print(f"\nAll {len(good)} calls ended as they should.", flush=True)
        if not once:
            _say_what_next(server, config.api)
            await server.run_until_stopped()
    return 1 if failed else 0


def _quiet(config: Config) -> Config:
    """Warnings only, unless the operator chose: the demo tells the calls' stories itself."""
    if "logging" in config.model_fields_set:
        return config
    quiet = config.logging.model_copy(update={"level": "warning", "format": "console"})
    return config.model_copy(update={"logging": quiet})


async def _wait_for_route(server: Server, number: str) -> None:
    """Return when the server knows the number; the database tells it within a few ms."""
    try:
        async with asyncio.timeout(ROUTE_SECONDS):
            # The notification comes from another process: there is no event of ours to wait for.
            while await server.lookup(number) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise StartError(f"the server has not learned of {number}: is the database slow?") from None


def _say_where(server: Server) -> None:
    print(f"SIP on {server.sip_address} (UDP and TCP), HTTP on {server.http_url}", flush=True)


async def _place(server: Server, messages: Path, call: _DemoCall, index: int) -> bool:
    """Place one call with the test phone and print its timeline as both sides saw it."""
    print(f"\n{index}. {call.number}: {call.title}", flush=True)
    reports: list[CallReport] = []
    has_voicemail = call.expected_outcome == "voicemail"
    greeting = await render_greeting(_voicemail_text(call.number), None) if has_voicemail else b""
    words = await render_greeting(_CALLER_SAYS, None) if has_voicemail else b""
    said = (
        b"\xff" * len(greeting) + beep() + _PAUSE + words
        if has_voicemail
        else chime() * int(call.seconds)
    )
    voicemail: list[str] = []
    with server.watch_calls(reports.append), TemporaryDirectory() as folder:
        recording = Path(folder) / "heard.wav"
        heard = await _dial(call, server.sip_address, said, recording)
        if heard["answered"] and has_voicemail:
            voicemail = await _voicemail_story(
                server, messages, call.number, recording, greeting=greeting, words=words
            )
    if not reports:
        print("   the server saw no call", flush=True)
        return False
    for line in [*_story(heard, reports[0]), *voicemail]:
        print(f"   {line}", flush=True)
    is_good = (
        reports[0].outcome.value == call.expected_outcome
        and heard["status"] == call.expected_status
        and (call.expected_status != 200 or heard["invite_to_first_audio_ms"] is not None)
        and (call.expected_outcome != "voicemail" or _VOICEMAIL_IS_RIGHT in voicemail)
    )
    print(f"   {'as it should be' if is_good else 'NOT AS IT SHOULD BE'}", flush=True)
    return is_good


async def _dial(call: _DemoCall, to: str, said: bytes, recording: Path) -> dict[str, Any]:
    """`sip-edge call` in a process of its own: what the phone reports."""
    words = recording.with_name("said.wav")
    await asyncio.to_thread(words.write_bytes, ulaw_wav(said))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sip_edge", "call", call.number, "--json", "--to", to,
        "--seconds", str(call.seconds), "--play", str(words), "--record", str(recording),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    output, _ = await process.communicate()
    heard: dict[str, Any] = json.loads(output)
    return heard


async def _voicemail_story(
    server: Server, messages: Path, number: str, recording: Path, *, greeting: bytes, words: bytes
) -> list[str]:
    """What the caller was to hear and heard, and what was kept of what it said."""
    sound = read_wav(await asyncio.to_thread(recording.read_bytes))
    copy = messages.parent / "demo-heard.wav"
    await asyncio.to_thread(copy.write_bytes, ulaw_wav(sound))
    beep_at = sound.find(beep()[_BEEP_PART])
    heard = sound if beep_at < 0 else sound[:beep_at]
    heard_share = _share(greeting, heard)
    lines = [
        f'the voicemail was to say:    "{_voicemail_text(number)}"',
        f"the caller heard:            {heard_share:.0%} of it, {len(heard) / 8000:.1f} s at"
        f" {_level(heard):.0f} dBFS, then {'no beep' if beep_at < 0 else 'the beep'};"
        f" {copy} has it",
        f'the caller said:             "{_CALLER_SAYS}"',
    ]
    message = await newest_voicemail(server.dsn, number, within_seconds=VOICEMAIL_SECONDS)
    if message is None:
        return [*lines, "no message was kept"]
    path = messages / message.path
    kept = read_wav(await asyncio.to_thread(path.read_bytes))
    kept_share = _share(words, kept)
    lines += [
        f"the message that was kept:   {kept_share:.0%} of it, {len(kept) / 8000:.1f} s at"
        f" {_level(kept):.0f} dBFS; {path}",
        f"its row in `voicemails`:     {message.id}, for {message.phone_number},"
        f" from {message.caller_number}, agent {message.agent_id}, {message.seconds:.1f} s,"
        f" {message.size} bytes",
    ]
    if beep_at >= 0 and heard_share >= _ENOUGH and kept_share >= _ENOUGH:
        lines.append(_VOICEMAIL_IS_RIGHT)
    return lines


def _voicemail_text(number: str) -> str:
    """The number's own message in `DEMO_FILE`."""
    rows = tomllib.loads(DEMO_FILE.read_text(encoding="utf-8"))["phone_numbers"]
    (text,) = (
        row["inbound_routing"]["voicemail_message"] for row in rows if row["phone_number"] == number
    )
    return str(text)


def _share(spoken: bytes, heard: bytes) -> float:
    """How many of the frames of `spoken` are in `heard` unchanged and in order, 0 to 1."""
    at = found = count = 0
    for begin in range(0, len(spoken), _FRAME):
        frame = spoken[begin : begin + _FRAME].ljust(_FRAME, b"\xff")
        if is_silence(frame):
            continue
        count += 1
        position = heard.find(frame, at)
        if position >= 0:
            found += 1
            at = position + _FRAME
    return found / count if count else 0.0


def _level(sound: bytes) -> float:
    """The level of what is not silence, in dB of full scale."""
    frames = (sound[at : at + _FRAME] for at in range(0, len(sound), _FRAME))
    return rms_dbfs(b"".join(frame for frame in frames if not is_silence(frame)))


def _story(heard: dict[str, Any], report: CallReport) -> list[str]:
    """The call's timeline: the phone's view, then what the server did in between."""
    steps = [
        ("100 Trying", heard["invite_to_100_ms"]),
        ("180 Ringing", heard["invite_to_180_ms"]),
        (f"{heard['status']} {heard['reason']}", heard["invite_to_final_ms"]),
        ("first sound", heard["invite_to_first_audio_ms"]),
    ]
    phone = ", ".join(f"{name} {at:.1f}" for name, at in steps if at is not None)
    inside = ", ".join(
        f"{stage} {at:.1f}"
        for stage, at in report.timeline.milliseconds().items()
        if stage not in ("trying", "end")
    )
    tried = "; ".join(
        f"{attempt.role.value} {'took it' if attempt.failure is None else attempt.failure.value}"
        f" in {attempt.seconds * 1000:.1f} ms"
        for attempt in report.attempts
    )
    lines = [f"the phone, ms after INVITE:  {phone}", f"the server:                  {inside}"]
    if tried:
        lines.append(f"agents asked:                {tried}")
    if heard["answered"]:
        lines.append(
            f"talked {heard['talked_seconds']:.1f} s: {heard['packets_received']} packets heard,"
            f" {heard['packets_lost']} lost, ended by {heard['ended_by']}"
        )
    return lines


def _say_what_next(server: Server, api: ApiSettings) -> None:
    control = [
        "  key=$(.venv/bin/sip-edge api-key create)",
        f'  curl -s http://{api.host}:{api.port}/v1/phone-numbers -H "Authorization: Bearer $key"',
    ]
    more = "".join(f"\n{line}" for line in control if api.enabled)
    print(
        f"""
The server goes on until Ctrl-C. In another terminal:
  .venv/bin/sip-edge call +12025550100 --to {server.sip_address} --digits "#"
  .venv/bin/sip-edge route explain +12025550101
  curl -s {server.http_url}/metrics | grep sip_edge_calls_total{more}
Or call sip:+12025550100@{server.sip_address} with any softphone: it repeats what you say.
Your own agent: put its ws:// address into agents.worker_url (README, "Your own agent").
One log line a call: SIP_EDGE__LOGGING__LEVEL=info make run
""",
        flush=True,
    )


@asynccontextmanager
async def _demo_worker() -> AsyncIterator[None]:
    """The demo agent worker, in a process of its own, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sip_edge.agents.demo_worker",
        "--host", WORKER_HOST, "--port", str(WORKER_PORT),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us; we tell it.
    )  # fmt: skip
    try:
        await _wait_for_worker(process)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _wait_for_worker(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(WORKER_SECONDS):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection(WORKER_HOST, WORKER_PORT)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return
    except TimeoutError:
        pass
    raise StartError(
        f"the demo worker cannot listen on {WORKER_HOST}:{WORKER_PORT}: is that port taken?"
    )
