"""`sip-edge api` and `sip-edge api-key create | list | revoke`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sip_edge.config import Config

LONGEST_NAME: Final = 200

Load = Callable[[argparse.Namespace], "Config"]
Run = Callable[[Coroutine[object, object, int]], int]


def add_api(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    add_config: Callable[[argparse.ArgumentParser], None],
    load: Load,
    run: Run,
) -> None:
    """Add both commands. `load` reads the configuration, `run` runs a coroutine."""
    api = commands.add_parser(
        "api",
        help="run the control API alone",
        description="Serve the HTTP API for numbers, agents and integrations, without answering "
        "calls; `serve` does so in a process of its own. Voicemail audio is served where this "
        "machine can reach voicemail.directory.",
    )
    add_config(api)
    api.set_defaults(command=lambda options: run(_serve(load(options))))
    _add_keys(commands, add_config, load, run)


def _add_keys(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    add_config: Callable[[argparse.ArgumentParser], None],
    load: Load,
    run: Run,
) -> None:
    keys = commands.add_parser("api-key", help="make, list and revoke keys of the control API")
    verbs = keys.add_subparsers(title="verbs", metavar="VERB", required=True)

    create = verbs.add_parser(
        "create",
        help="make a key and print it, this once",
        description="Make a key of a workspace and print it. It is stored as a digest: keep it, "
        "for it cannot be shown again.",
    )
    create.add_argument("--name", type=_name, help="for people")
    _add_workspace(create, "made if there is none of this name")
    create.add_argument("--json", action="store_true", help="print one JSON object")
    add_config(create)
    create.set_defaults(command=lambda options: run(_create(options, load(options))))

    list_ = verbs.add_parser("list", help="the keys of a workspace, newest first")
    _add_workspace(list_, "")
    list_.add_argument("--json", action="store_true", help="print one JSON object a line")
    add_config(list_)
    list_.set_defaults(command=lambda options: run(_list(options, load(options))))

    revoke = verbs.add_parser("revoke", help="end a key: it opens nothing any more")
    revoke.add_argument("id", metavar="ID", help="as `sip-edge api-key list` prints it")
    add_config(revoke)
    revoke.set_defaults(command=lambda options: run(_revoke(options, load(options))))


def _add_workspace(parser: argparse.ArgumentParser, more: str) -> None:
    text = f"whose key; {more}. Unset: the first workspace" if more else "unset: the first one"
    parser.add_argument("--workspace", type=_name, metavar="NAME", help=text)


def _name(text: str) -> str:
    if not 0 < len(text) <= LONGEST_NAME or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} must be a name of 1 to {LONGEST_NAME} letters")
    return text


async def _serve(config: Config) -> int:
    from sip_edge.app.control import serve_control

    return await serve_control(config)


async def _create(options: argparse.Namespace, config: Config) -> int:
    from sip_edge.app.control_keys import create_key

    made = await create_key(config, workspace=options.workspace, name=options.name or "")
    if options.json:
        print(json.dumps({"id": str(made.key.id), "name": made.key.name, "key": made.secret}))
    else:
        print(made.secret)
    return 0


async def _list(options: argparse.Namespace, config: Config) -> int:
    from sip_edge.app.control_keys import list_keys

    for key in await list_keys(config, workspace=options.workspace):
        used = None if key.last_used_at is None else key.last_used_at.isoformat(timespec="minutes")
        if options.json:
            row = {"id": str(key.id), "name": key.name, "prefix": key.prefix, "last_used_at": used}
            print(json.dumps(row))
        else:
            print(f"{key.id}  {key.prefix}…  {used or 'never used'}  {key.name}".rstrip())
    return 0


async def _revoke(options: argparse.Namespace, config: Config) -> int:
    from sip_edge.app.control_keys import revoke_key

    await revoke_key(config, options.id)
    print("revoked")
    return 0
