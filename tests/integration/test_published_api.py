"""The published pages are the contract: what they say must be true of our OpenAPI document."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from support.control_world import control_world

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
PURCHASE = SEEDS / "004_8f532ebdd1121604.txt"
REGISTER = SEEDS / "002_5a25e686cde7a6e0.txt"

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(not SEEDS.is_dir(), reason="the published pages are not beside the project"),
]


@pytest_asyncio.fixture
async def ours() -> dict[str, Any]:
    document: dict[str, Any] = (await control_world()).app.openapi()
    return document


def published() -> dict[str, Any]:
    text = PURCHASE.read_text()
    block = re.search(r"^````yaml[^\n]*\n(.*?)^````", text, re.DOTALL | re.MULTILINE)
    assert block is not None
    document: dict[str, Any] = yaml.safe_load(block[1])
    return document


def differences(theirs: Any, mine: Any, where: str = "") -> list[str]:
    """What is published and not so in ours. Texts may be broken into other lines."""
    if isinstance(theirs, dict):
        if not isinstance(mine, dict):
            return [f"{where}: {mine!r} is no object"]
        missing = [f"{where}/{key} is missing" for key in theirs if key not in mine]
        return missing + [
            found
            for key in theirs
            if key in mine
            for found in differences(theirs[key], mine[key], f"{where}/{key}")
        ]
    if isinstance(theirs, list):
        if where.endswith("/required"):
            return [f"{where}: {name} is not" for name in theirs if name not in mine]
        if not isinstance(mine, list) or len(mine) != len(theirs):
            return [f"{where}: {mine!r} is not {theirs!r}"]
        pairs = zip(theirs, mine, strict=True)
        return [
            found
            for index, (left, right) in enumerate(pairs)
            for found in differences(left, right, f"{where}/{index}")
        ]
    if isinstance(theirs, str) and isinstance(mine, str):
        same = " ".join(theirs.split()) == " ".join(mine.split())
        return [] if same else [f"{where}: {mine!r} is not {theirs!r}"]
    return [] if theirs == mine else [f"{where}: {mine!r} is not {theirs!r}"]


async def test_the_published_operation_is_ours(ours: dict[str, Any]) -> None:
    assert differences(published()["paths"], ours["paths"]) == []


async def test_the_published_schemas_are_ours(ours: dict[str, Any]) -> None:
    assert differences(published()["components"], ours["components"]) == []


async def test_a_field_of_the_register_page_is_a_field_of_ours(ours: dict[str, Any]) -> None:
    text = REGISTER.read_text()
    body, response = text.split("Body\n", 1)[1].split("Response\n", 1)
    schemas = ours["components"]["schemas"]
    names = re.findall(r"^([a-z_]+)\n(?:string|enum|SipProviderConfig|InboundRouting)", body, re.M)
    assert sorted(names) == sorted(schemas["PhoneNumberRegister"]["properties"])
    required = re.findall(r"^([a-z_]+)\nstring[^\n]*\nrequired", response, re.M)
    assert len(required) == 11
    assert set(required) <= set(schemas["PhoneNumberResponse"]["required"])
    for name, title in (
        ("SipProviderConfig", "trunk_address"),
        ("InboundRouting-Input", "agent_id"),
    ):
        assert title in schemas[name]["properties"]
    assert schemas["SipProviderConfig"]["additionalProperties"] is True


async def test_every_page_of_the_guide_is_an_operation(ours: dict[str, Any]) -> None:
    guide = (SEEDS / "001_99b742850abeddea.txt").read_text()
    lines = guide.replace("\\\n", " ").splitlines()
    asked = set()
    for line in lines:
        found = re.search(r"curl (?:-X (\w+) )?\"?https://api\.oneinbox\.ai(/[^\s\"?]*)", line)
        if found:
            path = found[2].replace("<phone_id>", "{phone_number_id}")
            asked.add((path, (found[1] or "GET").lower()))
    assert len(asked) == 7
    assert {pair for pair in asked if pair[1] not in ours["paths"].get(pair[0], {})} == set()


async def test_ids_of_trunks_and_rules_are_explained(ours: dict[str, Any]) -> None:
    properties = ours["components"]["schemas"]["PhoneNumberResponse"]["properties"]
    assert "trunk" in properties["inbound_trunk_id"]["description"]
    assert "provider_config" in properties["outbound_trunk_id"]["description"]
    assert "outbound-only" in properties["dispatch_rule_id"]["description"]
