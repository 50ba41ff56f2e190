"""The command line: reads arguments, calls one function, prints, exits with a code.

Each command's code imports what it needs when it runs: `sip-edge version` should not wait for a
database driver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sip_edge.api_commands import add_api
from sip_edge.config import Config, ConfigError, load_config, published_networks
from sip_edge.health import Page, check, page_url
from sip_edge.voicemail_commands import add_voicemail

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NO_SOUND: Final = 3
INTERRUPTED: Final = 130
HEALTH_SECONDS: Final = 3.0

_EXIT_CODES: Final = """\
exit codes:
  0    done
  1    it failed; the reason is one line on standard error
  2    wrong arguments or a wrong configuration
  3    call: answered, but no sound came
  130  interrupted
"""


class CommandError(Exception):
    """A command failed for a reason that its user can act on: one line."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except ConfigError as error:
        print("sip-edge: the configuration has problems:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        return USAGE
    except CommandError as error:
        print(f"sip-edge: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sip-edge",
        description="Answers carriers' SIP calls and hands them to AI agent workers.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_server_commands(commands)
    _add_call(commands)
    _add_route(commands)
    add_voicemail(commands, _add_config, _config, _run)
    add_api(commands, _add_config, _config, _run)
    _add_health(commands)
    return parser


def _add_server_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the server",
        description="Run the server until SIGTERM or Ctrl-C; current calls may finish first, a "
        "second signal ends at once. Without database.dsn it runs a PostgreSQL of its own.",
    )
    _add_config(serve)
    serve.set_defaults(command=_serve)

    demo = commands.add_parser(
        "demo",
        help="run the server with example agents and place real calls through it",
        description="Start the server with an embedded PostgreSQL, example agents and numbers and "
        "a demo agent worker, place real calls through SIP and RTP, print each one's timeline, and "
        "go on serving until Ctrl-C.",
    )
    _add_config(demo)
    demo.add_argument(
        "--once", action="store_true", help="end after the calls; exit 1 if one went wrong"
    )
    demo.set_defaults(command=_demo)

    migrate = commands.add_parser(
        "migrate",
        help="bring the database's tables up to date",
        description="Apply the migrations that the database lacks. Safe to run any number of "
        "times and from several machines at once; `serve` does it by itself.",
    )
    _add_config(migrate)
    migrate.set_defaults(command=_migrate)

    check = commands.add_parser(
        "check-config",
        help="check the configuration and show what it comes to",
        description="Read the file and the environment, report every problem at once, and print "
        "the resulting settings as JSON, secrets left out.",
    )
    _add_config(check)
    check.set_defaults(command=_check_config)

    show_version = commands.add_parser("version", help="print the version")
    show_version.set_defaults(command=_version)


def _add_call(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    call = commands.add_parser(
        "call",
        help="a test phone: place one call and print its timeline",
        description="Place a call, play and record, and print when 100, 180, 200 and the first "
        "sound came. Fails if the call was not answered (1) or no sound came (3).",
    )
    call.add_argument("number", metavar="NUMBER", help="what to dial, e.g. +12025550100")
    call.add_argument(
        "--to",
        type=_host_and_port,
        default="127.0.0.1:5060",
        metavar="HOST:PORT",
        help="where (%(default)s)",
    )
    call.add_argument(
        "--from", dest="caller", default="+12025550123", metavar="NUMBER", help="who calls"
    )
    call.add_argument(
        "--transport",
        choices=("udp", "tcp", "tls"),
        default="udp",
        help="(%(default)s); tls trusts the system's authorities, or those in $SSL_CERT_FILE",
    )
    call.add_argument("--play", type=Path, metavar="WAV", help="what to say into the call")
    call.add_argument("--record", type=Path, metavar="WAV", help="where to keep what was heard")
    call.add_argument(
        "--seconds", type=_seconds, default=5.0, metavar="N", help="talk so long (%(default)g)"
    )
    call.add_argument(
        "--digits", type=_digits, default="", metavar="KEYS", help="keys to press, e.g. 12#"
    )
    call.add_argument("--json", action="store_true", help="print one JSON object")
    call.set_defaults(command=_call)


def _add_route(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    route = commands.add_parser("route", help="ask about routing")
    questions = route.add_subparsers(title="questions", metavar="QUESTION", required=True)
    explain = questions.add_parser(
        "explain",
        help="what would happen to a call to this number now, and why",
        description="Look the number up in the database as a call would and say which agents "
        "would be tried, which are skipped and why, which message would be played and which "
        "response would be sent.",
    )
    explain.add_argument("number", metavar="NUMBER", help="as dialled, e.g. +12025550100")
    explain.add_argument(
        "--carrier", metavar="NAME", help="as if it came from this carrier of the configuration"
    )
    explain.add_argument("--json", action="store_true", help="print one JSON object")
    _add_config(explain)
    explain.set_defaults(command=_explain)


def _add_health(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    health = commands.add_parser(
        "health",
        help="ask the running server how it is",
        description="Ask /healthz of the server that this configuration describes; exit 1 if it "
        "does not answer well. Made for container health checks.",
    )
    health.add_argument(
        "--ready", action="store_true", help="ask /readyz: should new calls be sent to it?"
    )
    _add_config(health)
    health.set_defaults(command=_health)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file (config/sip_edge.example.toml names every setting); the environment "
        "(SIP_EDGE__SECTION__KEY) overrides it",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds up to 3600")
    return value


def _digits(text: str) -> str:
    if not set(text) <= set("0123456789*#ABCD"):
        raise argparse.ArgumentTypeError(f"{text!r} must be of the keys 0123456789*#ABCD")
    return text


def _config(options: argparse.Namespace) -> Config:
    path: Path | None = options.config
    return load_config(path, os.environ)


def _run(main: Coroutine[object, object, int]) -> int:
    """Run on uvloop; what the world refuses becomes one line."""
    import uvloop

    from sip_edge.app import StartError

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    except StartError as error:
        raise CommandError(str(error)) from error


def _serve(options: argparse.Namespace) -> int:
    from sip_edge.app import serve

    return _run(serve(_config(options)))


def _demo(options: argparse.Namespace) -> int:
    from sip_edge.demo import demo

    return _run(demo(_config(options), once=options.once))


def _migrate(options: argparse.Namespace) -> int:
    from sip_edge.app import migrate_database

    async def main() -> int:
        applied = await migrate_database(_config(options))
        print(f"applied {', '.join(applied)}" if applied else "nothing to do: up to date")
        return OK

    return _run(main())


def _check_config(options: argparse.Namespace) -> int:
    from sip_edge.app import check_tls

    config = _config(options)
    for warning in check_tls(config.sip):
        print(f"warning: {warning}", file=sys.stderr)
    print(json.dumps(config.redacted(), indent=2))
    for name, carrier in config.carriers.items():
        if carrier.provider is not None and carrier.has_published_networks:
            known = published_networks()[carrier.provider]
            print(
                f"carriers.{name}: as published on {known.as_of}, {known.source}", file=sys.stderr
            )
    print("the configuration is fine", file=sys.stderr)
    return OK


def _version(options: argparse.Namespace) -> int:
    print(f"sip-edge {version('sip-edge')}")
    return OK


def _health(options: argparse.Namespace) -> int:
    http = _config(options).http
    page = Page.READY if options.ready else Page.ALIVE
    health = check(page_url(http.host, http.port, page), HEALTH_SECONDS)
    print(health.text)
    return OK if health.is_good else FAILED


def _explain(options: argparse.Namespace) -> int:
    from sip_edge.app import explain_number

    async def main() -> int:
        explanation = await explain_number(_config(options), options.number, options.carrier)
        if options.json:
            print(json.dumps(explanation.facts, indent=2))
        else:
            print("\n".join(explanation.lines))
        return OK

    return _run(main())


def _call(options: argparse.Namespace) -> int:
    from sip_edge.media.wav import WavError, read_wav, ulaw_wav
    from sip_edge.phone import PhoneCall, as_dict, as_lines, place_call
    from sip_edge.sip.flow import Transport

    host, port = options.to
    try:
        play = read_wav(options.play.read_bytes()) if options.play else b""
    except (OSError, WavError) as error:
        raise CommandError(f"--play {options.play}: {error}") from error
    call = PhoneCall(
        number=options.number,
        host=host,
        port=port,
        transport=Transport[options.transport.upper()],
        caller=options.caller,
        play=play,
        digits=options.digits,
        seconds=options.seconds,
    )

    async def main() -> int:
        try:
            report = await place_call(call)
        except OSError as error:
            raise CommandError(f"cannot call {host}: {error.strerror or error}") from error
        if options.record:
            _write(options.record, ulaw_wav(report.recording))
        if options.json:
            print(json.dumps(as_dict(report)))
        elif lines := as_lines(report):
            print("\n".join(lines))
        if report.problem is None:
            return OK
        print(f"sip-edge: {report.problem}", file=sys.stderr)
        return NO_SOUND if report.is_answered else FAILED

    return _run(main())


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"--record {path}: {error}") from error


def _host_and_port(text: str) -> tuple[str, int]:
    """`HOST`, `HOST:PORT` or `[IPv6]:PORT`; the port of SIP if none is named."""
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, "5060"
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536) or not host:
        raise argparse.ArgumentTypeError(f"{text!r} must be HOST:PORT, e.g. 127.0.0.1:5060")
    return host.removeprefix("[").removesuffix("]"), int(port)
