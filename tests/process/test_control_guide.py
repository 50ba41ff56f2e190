"""The curl lines of the published guide, in both languages, as a reader would paste them.

The host, the key and the guide's placeholders are filled in; nothing else is changed. What goes for
all of them (to be silent, to print the status) is in a curlrc.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.carrier_fakes import telnyx, twilio
from support.control_edge import ControlEdge

pytestmark = [pytest.mark.asyncio, pytest.mark.postgres]

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
GUIDES = {"english": "001_99b742850abeddea.txt", "japanese": "000_a64c69e47fcafdbf.txt"}
HOST = "https://api.oneinbox.ai"

FOR_SALE = ["+14155551234", "+14155550199"]
"""The number that the guide buys, and one that it is given."""
PUBLISHED = {
    "id", "phone_number", "friendly_name", "provider", "agent_id", "status", "inbound_trunk_id",
    "outbound_trunk_id", "dispatch_rule_id", "created_at", "updated_at",
}  # fmt: skip
ROUTED = "Sorry, we missed you. Please leave a message."


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


class Reader:
    """Somebody who works through the guide: fills in, pastes, and notes what came back."""

    def __init__(self, folder: Path, url: str, values: dict[str, str]) -> None:
        (folder / ".curlrc").write_text('silent\nnoproxy = "*"\nwrite-out = "\\n%{http_code}"\n')
        self._environment = {**os.environ, "CURL_HOME": str(folder)}
        self._url = url
        self.values = values

    def paste(self, command: str) -> Answer:
        filled = command.replace(HOST, self._url)
        for name, value in self.values.items():
            filled = filled.replace(name, value)
        assert not re.search(r"<[a-z_]+>|\.\.\.", filled), filled
        done = subprocess.run(
            ["bash", "-c", filled],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{filled}\n{done.stderr}"
        body, _, status = done.stdout.rpartition("\n")
        answer = Answer(int(status), json.loads(body) if body else None)
        if "/phone-numbers" in command and answer.body and "id" in answer.body:
            self.values["<phone_id>"] = answer.body["id"]
        return answer


def commands_of(guide: str) -> list[str]:
    """Every curl command of the guide's bash blocks, in its order."""
    blocks = re.findall(r"^( *)```bash[^\n]*\n(.*?)^\1```", guide, re.MULTILINE | re.DOTALL)
    commands = []
    for _, block in blocks:
        parts = re.split(r"^(?=curl )", textwrap.dedent(block), flags=re.MULTILINE)
        commands += [part for part in parts if part.startswith("curl ")]
    return commands


@pytest.fixture(params=GUIDES)
def guide(request: pytest.FixtureRequest) -> str:
    path = SEEDS / GUIDES[request.param]
    if not path.exists():
        pytest.skip(f"{path} is absent: the published guide is not tested")
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return path.read_text()


async def test_what_the_guide_says_works(control: ControlEdge, guide: str, tmp_path: Path) -> None:
    control.twilio.for_sale += FOR_SALE
    key = await control.make_key("guide")
    async with control.client(key) as client:
        made = [await client.post("/v1/agents", json={"name": name}) for name in "ABCD"]
        agents = [answer.json()["id"] for answer in made]
        reader = Reader(tmp_path, control.url, values_of(key, agents))
        answers = await asyncio.to_thread(work_through, reader, commands_of(guide))
        listed = (await client.get("/v1/phone-numbers")).json()["items"]
        for number in listed:
            assert (await client.delete(f"/v1/phone-numbers/{number['id']}")).status_code == 204

    check(answers, agents)
    assert {number["phone_number"] for number in listed} == {*FOR_SALE, "+15739693824"}
    assert set(control.twilio.released) >= set(FOR_SALE)
    for number in FOR_SALE:
        control.twilio.for_sale.remove(number)


def values_of(key: str, agents: list[str]) -> dict[str, str]:
    names = ("<agent_id>", "<routing_agent_id>", "<fallback_agent_id>", "<new_agent_id>")
    return {
        "<api_key>": key,
        **dict(zip(names, agents, strict=True)),
        "<your_twilio_auth_token>": twilio.AUTH_TOKEN,
        "<your_twilio_account_sid>": twilio.ACCOUNT_SID,
        "<your_sip_trunk_domain>": "yourtrunk.pstn.twilio.com",
        "<your_sip_username>": "oneinbox",
        "<your_sip_password>": "s1p-password",
        "<your_telnyx_api_key>": telnyx.API_KEY,
        "<your_telnyx_account_id>": "account-1",
        "<yourconnection>": "ours",
        '"provider_config": { ... }': '"provider_config": {"trunk_address": "a.example.com",'
        ' "auth_username": "oneinbox", "auth_password": "s1p-password"}',
    }


def work_through(reader: Reader, commands: list[str]) -> list[Answer]:
    """Paste all in the guide's order. Its two tabs are alternatives: the second begins anew."""
    delete = next(command for command in commands if " -X DELETE " in command)
    answers = []
    for command in commands:
        if '"provider": "telnyx"' in command and "/phone-numbers" in command:
            assert reader.paste(delete).status == 204
        answers.append(reader.paste(command))
    return answers


def check(answers: list[Answer], agents: list[str]) -> None:
    (
        search, bought, given, twilio_account, twilio_number, telnyx_account, telnyx_number,
        changed, registered, rerouted, got, deleted,
    ) = answers  # fmt: skip
    primary, routing, fallback, new = agents
    routed = {
        "agent_id": routing,
        "fallback": {"agent_id": fallback},
        "voicemail_message": ROUTED,
    }

    assert search.status == 200
    assert "+14155551234" in json.dumps(search.body)
    for answer, number in ((bought, FOR_SALE[0]), (given, FOR_SALE[1])):
        assert (answer.status, answer.body["phone_number"]) == (201, number)
        assert (answer.body["status"], answer.body["agent_id"]) == ("active", primary)
        assert answer.body["inbound_routing"]["fallback"] == {"agent_id": fallback}
    for answer, provider in ((twilio_account, "twilio"), (telnyx_account, "telnyx")):
        assert (answer.status, answer.body["provider"]) == (201, provider)
        assert answer.body["id"]
        assert "api_key" not in answer.body
    for answer, provider in ((twilio_number, "twilio"), (telnyx_number, "telnyx")):
        assert answer.status == 201
        assert answer.body["phone_number"] == "+15739693824"
        assert (answer.body["provider"], answer.body["agent_id"]) == (provider, primary)
        assert answer.body["status"] == "active"
        assert answer.body.keys() >= PUBLISHED
    assert (changed.status, changed.body["agent_id"]) == (200, new)
    # The language of the message apart, which is the guide's.
    assert (registered.status, registered.body["inbound_routing"]) == (201, routed)
    assert rerouted.status == 200
    assert rerouted.body["inbound_routing"] == {
        "agent_id": routing,
        "fallback": None,
        "voicemail_message": "Updated voicemail message.",
    }
    assert (got.status, got.body) == (200, rerouted.body)
    assert (deleted.status, deleted.body) == (204, None)
