from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from support.control_world import control_world

from sip_edge.api.control.docs_page import docs_page

VOID = {"meta", "input", "br"}
LEFT_OPEN = {"html"}


class Page(HTMLParser):
    """What is in a page: its elements, all that they would load, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID | LEFT_OPEN:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.asyncio
async def test_page_has_every_operation_and_loads_nothing() -> None:
    world = await control_world()
    answer = await world.call("GET", "/docs")
    page = Page(answer.text)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.open == []
    assert page.links == ["openapi.json"]
    assert not page.elements & {"script", "link", "img", "iframe", "form"}
    for path, methods in world.app.openapi()["paths"].items():
        assert path in page.text
        for method in methods:
            assert f"{method.upper()} {path}" in page.text


@pytest.mark.asyncio
async def test_page_names_fields_bounds_and_codes() -> None:
    text = Page((await (await control_world()).call("GET", "/docs")).text).text

    assert "agent_id uuid, required" in text
    assert "fallback InboundRoutingFallback or null" in text
    assert "provider twilio | telnyx, required" in text
    assert "limit query, integer from 1 to 100" in text
    assert "NUMBER_TAKEN" in text


def test_text_cannot_become_elements() -> None:
    evil = "<script>alert(1)</script>"
    schema = {"type": "object", "properties": {evil: {"type": evil, "description": evil}}}
    document: dict[str, Any] = {
        "info": {"title": evil},
        "paths": {
            evil: {
                evil: {
                    "tags": [evil],
                    "summary": evil,
                    "description": evil,
                    "parameters": [
                        {"name": evil, "in": evil, "schema": {"enum": [evil]}, "description": evil}
                    ],
                    "requestBody": {"content": {evil: {"schema": schema}}},
                    "responses": {evil: {"description": evil, "content": {evil: {}}}},
                }
            }
        },
    }

    assert "script" not in Page(docs_page(document)).elements
