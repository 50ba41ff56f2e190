"""`sip-edge voicemail list | export | render`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sip_edge.config import Config

MOST_LISTED: Final = 1000

Load = Callable[[argparse.Namespace], "Config"]
Run = Callable[[Coroutine[object, object, int]], int]


def add_voicemail(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    add_config: Callable[[argparse.ArgumentParser], None],
    load: Load,
    run: Run,
) -> None:
    """Add the command with its verbs. `load` reads the configuration, `run` runs a coroutine."""
    voicemail = commands.add_parser("voicemail", help="list, export and try voicemail")
    verbs = voicemail.add_subparsers(title="verbs", metavar="VERB", required=True)

    list_ = verbs.add_parser("list", help="the messages that callers left, newest first")
    list_.add_argument("--number", help="only those left for this number, e.g. +12025550100")
    list_.add_argument("--limit", type=_limit, default=20, metavar="N", help="(%(default)s)")
    list_.add_argument("--json", action="store_true", help="print one JSON object a line")
    add_config(list_)
    list_.set_defaults(command=lambda options: run(_list(options, load(options))))

    export = verbs.add_parser("export", help="copy a message to a WAV file that plays everywhere")
    export.add_argument("id", metavar="ID", help="as `sip-edge voicemail list` prints it")
    export.add_argument("--to", type=Path, required=True, metavar="WAV")
    add_config(export)
    export.set_defaults(command=lambda options: run(_export(options, load(options))))

    render = verbs.add_parser("render", help="hear what a caller would hear for a text")
    render.add_argument("text", metavar="TEXT")
    render.add_argument("--to", type=Path, required=True, metavar="WAV")
    render.add_argument(
        "--language", metavar="TAG", help="e.g. en or ja; else by the text's script"
    )
    render.set_defaults(command=lambda options: run(_render(options)))


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST_LISTED):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 1 to {MOST_LISTED}")
    return int(text)


async def _list(options: argparse.Namespace, config: Config) -> int:
    from sip_edge.app.voicemails import list_voicemails

    messages = await list_voicemails(config, limit=options.limit, phone_number=options.number)
    for message in messages:
        if options.json:
            print(json.dumps(asdict(message), default=str))
        else:
            print(
                f"{message.received_at:%Y-%m-%d %H:%M:%S}  {message.seconds:5.1f} s"
                f"  for {message.phone_number}  from {message.caller_number or 'unknown':<16}"
                f"  {message.id}"
            )
    if not messages and not options.json:
        print("no messages")
    return 0


async def _export(options: argparse.Namespace, config: Config) -> int:
    from sip_edge.app.voicemails import export_voicemail

    seconds = await export_voicemail(config, options.id, options.to)
    print(f"{options.to}: {seconds:.1f} s")
    return 0


async def _render(options: argparse.Namespace) -> int:
    from sip_edge.app.errors import StartError
    from sip_edge.app.voicemails import render_greeting
    from sip_edge.media.wav import ulaw_wav

    sound = await render_greeting(options.text, options.language)
    target: Path = options.to
    try:
        target.write_bytes(ulaw_wav(sound))  # noqa: ASYNC240 - nothing else runs here
    except OSError as error:
        raise StartError(f"{target}: {error.strerror}") from error
    print(f"{target}: {len(sound) / 8000:.1f} s")
    return 0
