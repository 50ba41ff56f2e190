"""The layout of the project, as tests: file lengths, and tests that mirror modules.

`tests/unit/a/b/test_c.py` tests `sip_edge/a/b/c.py`. Where that name is taken by another module's
test, the package's name comes before it: `test_b_c.py`. What needs a socket or a database is
tested under the same names in `tests/integration`. A package may also be tested as a whole
(`test_b.py` for `sip_edge/b`).
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sip_edge"
TESTS = ROOT / "tests"
UNIT = TESTS / "unit"

LONGEST_FILE = 400
"""Lines. A longer file does more than one thing, and nobody reads it to its end."""

ONLY_VALUES = {
    "agents/settings.py",
    "api/control/services.py",
    "app/errors.py",
    "config/section.py",
    "media/agreement.py",
    "media/audio.py",
    "provisioning/errors.py",
    "provisioning/number_ports.py",
    "provisioning/ports.py",
    "provisioning/values.py",
    "resolver/answers.py",
    "routing/outcome.py",
    "routing/plan.py",
    "routing/ports.py",
    "sip/effects.py",
    "sip/ids.py",
    "sip/settings.py",
    "sip/transaction/effects.py",
    "transport/rtp_values.py",
}
"""Modules that define values, enums and protocols: there is nothing to call."""

TESTED_ELSEWHERE = {
    "api_commands.py": "process/test_control_api.py",
    "api/control/calls.py": "integration/test_api_calls.py",
    "app/control.py": "process/test_control_api.py",
    "app/control_child.py": "process/test_control_api.py",
    "app/control_keys.py": "process/test_control_api.py",
    "app/control_process.py": "process/test_control_api.py",
    "app/http_side.py": "process/test_serve.py",
    "provisioning/carrier_port.py": "unit/provisioning/test_purchase.py",
    "provisioning/number_values.py": "contract/test_number_stores.py",
    "storage/number_rows.py": "contract/test_number_stores.py",
    "storage/purchase_rows.py": "contract/test_number_stores.py",
    "storage/agent_rows.py": "contract/test_control_stores.py",
    "storage/api_key_rows.py": "contract/test_control_stores.py",
    "storage/idempotency_rows.py": "contract/test_control_stores.py",
    "storage/integration_rows.py": "contract/test_control_stores.py",
    "storage/pages.py": "contract/test_control_stores.py",
    "storage/record_rows.py": "contract/test_control_stores.py",
    "app/voicemails.py": "process/test_no_call_is_lost.py",
    "voicemail_commands.py": "process/test_no_call_is_lost.py",
    "agents/connection.py": "integration/test_agents_offer.py",
    "agents/counters.py": "integration/test_agents_call.py",
    "agents/speech.py": "unit/agents/test_session.py",
    "agents/websocket.py": "contract/test_agent_gateway.py",
    "app/database.py": "process/test_serve.py",
    "app/gatekeeper.py": "process/test_security_sources.py",
    "config/carriers.py": "unit/config/test_settings.py",
    "config/limits.py": "unit/config/test_settings.py",
    "config/media.py": "unit/config/test_settings.py",
    "api/listening.py": "integration/test_api_server.py",
    "app/server.py": "process/test_serve.py",
    "app/tls_side.py": "process/test_tls_calls.py",
    "app/sip_side.py": "process/test_sipp_calls.py",
    "demo.py": "process/test_demo.py",
    "phone/call.py": "process/test_phone_and_sipp.py",
    "routing/dispatch.py": "unit/routing/test_inbound.py",
    "transport/ids.py": "process/test_sipp_calls.py",
    "transport/media_port.py": "unit/transport/test_inbound_leg.py",
    "transport/outbound_leg.py": "process/test_phone_and_sipp.py",
    "transport/stream_connection.py": "integration/test_streams.py",
}
"""Modules without a test file of their own, and the one that goes through them."""


def python_files(folder: Path) -> list[Path]:
    """The Python files below a folder; not the bots, which are copied as they are."""
    files = folder.rglob("*.py")
    return sorted(path for path in files if not path.is_relative_to(TESTS / "peers"))


def modules() -> list[Path]:
    return [path for path in python_files(PACKAGE) if not path.name.startswith("__")]


def name_of(path: Path, folder: Path = ROOT) -> str:
    return path.relative_to(folder).as_posix()


def unit_mirrors(module: Path) -> set[Path]:
    """Where the unit test of a module may be."""
    inside = module.relative_to(PACKAGE)
    folder = UNIT / inside.parent
    return {
        folder / f"test_{inside.stem}.py",
        folder / f"test_{inside.parent.name}_{inside.stem}.py",
    }


def mirrors(module: Path) -> set[Path]:
    """Every file that would count as the test of a module."""
    in_unit = unit_mirrors(module)
    return in_unit | {TESTS / "integration" / path.name for path in in_unit}


def test_no_file_is_too_long_to_be_read() -> None:
    too_long = [
        name_of(path)
        for path in [*python_files(PACKAGE), *python_files(TESTS)]
        if len(path.read_text().splitlines()) > LONGEST_FILE
    ]
    assert too_long == []


def test_every_module_has_a_test_file_of_its_own() -> None:
    untested = {
        name_of(module, PACKAGE)
        for module in modules()
        if not any(path.exists() for path in mirrors(module))
    }
    assert sorted(untested - ONLY_VALUES - set(TESTED_ELSEWHERE)) == []


def test_lists_of_exceptions_are_up_to_date() -> None:
    exceptions = ONLY_VALUES | set(TESTED_ELSEWHERE)
    gone = [name for name in exceptions if not (PACKAGE / name).exists()]
    missing = [name for name in TESTED_ELSEWHERE.values() if not (TESTS / name).exists()]
    needless = [
        name for name in exceptions if any(path.exists() for path in mirrors(PACKAGE / name))
    ]
    assert (gone, missing, needless) == ([], [], [])


def test_every_unit_test_mirrors_a_module_or_a_package() -> None:
    mirrored = {path for module in modules() for path in unit_mirrors(module)}
    mirrored |= {
        UNIT / folder.relative_to(PACKAGE).parent / f"test_{folder.name}.py"
        for folder in PACKAGE.rglob("*")
        if (folder / "__init__.py").exists()
    }
    strays = [
        name_of(path)
        for path in python_files(UNIT)
        if path not in mirrored and path.name != "conftest.py" and path != Path(__file__)
    ]
    assert strays == []


def test_no_two_test_files_share_a_name() -> None:
    names = [path.name for path in python_files(TESTS) if path.name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for path in python_files(PACKAGE)
        if not path.read_text().lstrip().startswith('"""')
    ]
    assert silent == []
