"""A render worker as a child process: here a script of a few lines that speaks the protocol."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from support.loops import on_both_loops
from support.polling import eventually

from sip_edge.voicemail.render_messages import Reply, Request
from sip_edge.voicemail.render_process import (
    RenderProcess,
    WorkerDiedError,
    start_worker,
    worker_command,
    worker_environment,
)

WORKER = """
import os, struct, sys, time
def send(header, sound=b""):
    data = struct.pack(">II", len(header), len(sound)) + header + sound
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
def receive():
    sizes = sys.stdin.buffer.read(8)
    if len(sizes) < 8:
        sys.exit(0)
    return sys.stdin.buffer.read(struct.unpack(">II", sizes)[0])
"""

ECHO = """
send(b'{"id":0}')
while True:
    header = receive()
    send(b'{"id":1}', header)
"""
REQUEST = Request(1, "plan", "Hello.", "en")


async def started(folder: Path, body: str, *, within_seconds: float = 30.0) -> RenderProcess:
    script = folder / "worker.py"
    script.write_text(WORKER + body)
    return await start_worker(
        (sys.executable, str(script)), os.environ, within_seconds=within_seconds
    )


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def children() -> str:
    """The processes that this one has started."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


@on_both_loops
async def test_a_request_is_answered(tmp_path: Path) -> None:
    worker = await started(tmp_path, ECHO)

    answer = await worker.ask(REQUEST)

    assert answer.reply == Reply(1)
    assert b'"text":"Hello."' in answer.sound
    await worker.stop(30.0)


@on_both_loops
async def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    worker = await started(tmp_path, ECHO)

    await worker.stop(30.0)

    assert await worker.wait_ended() == 0
    assert not is_running(worker.pid)


@on_both_loops
async def test_it_is_ended_when_it_does_not_want_to(tmp_path: Path) -> None:
    worker = await started(tmp_path, "send(b'{\"id\":0}')\ntime.sleep(600)\n")

    await worker.stop(0.1)

    assert await worker.wait_ended() == -9


@on_both_loops
async def test_killing_it_twice_is_no_error(tmp_path: Path) -> None:
    worker = await started(tmp_path, ECHO)

    worker.kill()
    worker.kill()

    assert await worker.wait_ended() == -9
    worker.kill()
    await worker.stop(30.0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("receive(); sys.exit(3)", "it ended"),
        ("receive(); os.kill(os.getpid(), 11)", "it ended"),
        ("receive(); send(b'{\"id\":2}')", "answered request 2 instead of 1"),
        ("receive(); send(b'what?')", "protocol"),
        ("receive(); sys.stdout.buffer.write(b'x' * 100); sys.stdout.flush(); receive()", "frame"),
        ("receive(); sys.stdout.buffer.write(b'x')", "it ended"),
    ],
)
@pytest.mark.asyncio
async def test_worker_that_fails_in_its_work_is_dead(
    tmp_path: Path, body: str, reason: str
) -> None:
    worker = await started(tmp_path, f"send(b'{{\"id\":0}}')\n{body}")

    with pytest.raises(WorkerDiedError, match=reason):
        await worker.ask(REQUEST)

    await worker.end()


@pytest.mark.asyncio
async def test_worker_that_has_gone_takes_no_request(tmp_path: Path) -> None:
    worker = await started(tmp_path, "send(b'{\"id\":0}')")
    await worker.wait_ended()

    with pytest.raises(WorkerDiedError):
        await worker.ask(REQUEST)
    with pytest.raises(WorkerDiedError):
        await worker.ask(REQUEST)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(1)", "it ended"),
        ("send(b'{\"id\":5}')", "answered request 5"),
        ("print('Traceback (most recent call last):')", "protocol"),
    ],
)
@pytest.mark.asyncio
async def test_worker_that_does_not_begin_well_is_not_started(
    tmp_path: Path, body: str, reason: str
) -> None:
    with pytest.raises(WorkerDiedError, match=reason):
        await started(tmp_path, body)


@pytest.mark.asyncio
async def test_worker_that_is_not_there_in_time_is_ended() -> None:
    before = children()

    with pytest.raises(WorkerDiedError, match=r"not there after 0.05 s"):
        await start_worker(("sleep", "600"), os.environ, within_seconds=0.05)

    assert children() == before


@pytest.mark.asyncio
async def test_worker_is_ended_when_nobody_waits_for_its_start_any_more(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    body = f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    starting = asyncio.create_task(started(tmp_path, body))
    pid = await eventually(
        lambda: pid_file.read_text() if pid_file.exists() else "", what="the worker's pid"
    )

    starting.cancel()
    await asyncio.wait([starting])

    assert not is_running(int(pid))


@pytest.mark.asyncio
async def test_program_that_does_not_exist_is_no_worker() -> None:
    with pytest.raises(WorkerDiedError, match="cannot be started"):
        await start_worker(("/nonexistent/python",), {}, within_seconds=5.0)


def test_worker_gets_no_passwords() -> None:
    ours = {"PATH": "/bin", "SIP_EDGE__DATABASE__DSN": "postgresql://u:secret@db/x", "TOKEN": "t"}

    assert worker_environment(ours) == {
        "PATH": "/bin",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def test_worker_is_told_whose_it_is_and_imports_nothing_from_the_current_folder() -> None:
    command = worker_command()

    assert command[0] == sys.executable
    assert "-P" in command
    assert command[-2:] == ("--parent", str(os.getpid()))
