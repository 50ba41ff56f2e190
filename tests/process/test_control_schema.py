"""The whole control API against its own OpenAPI, with inputs that schemathesis makes up of it.

A real process over PostgreSQL and carriers of ours, a valid key. Whatever is sent, in the schema or
beside it: no answer is a fault of ours, each has a documented status and the documented shape, and
there is an input for every operation that it accepts.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks
from support.carrier_fakes.telnyx import API_KEY
from support.control_edge import ControlEdge
from support.control_rows_sql import write_rows

Case = AnyCase[Any]

pytestmark = pytest.mark.postgres

EXAMPLES = 10
"""Of each operation, in each mode."""
ROWS = 40
"""More than all examples remove."""
INTEGRATIONS = 10
FREE_NUMBERS = [f"+120255501{last}" for last in range(20, 40)]
TRUNK = {
    "trunk_address": "trunk.example.com",
    "auth_username": "user",
    "auth_password": "password",
}
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.ignored_auth,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


class Known:
    """What exists, by the names that paths and bodies have for it."""

    def __init__(self, ids: dict[str, list[str]]) -> None:
        self._ids = {name: itertools.cycle(values) for name, values in ids.items()}
        self._numbers = itertools.cycle(FREE_NUMBERS)

    def fill(self, case: Case) -> None:
        """Put what exists in the place of what was made up."""
        for name in case.path_parameters or {}:
            case.path_parameters[name] = next(self._ids[name])
        body: Any = case.body
        if not isinstance(body, dict):
            return
        self._fill_ids(body)
        if case.operation.label == "POST /v1/phone-numbers":
            body["phone_number"] = next(self._numbers)
            body["provider_config"] = TRUNK

    def _fill_ids(self, body: dict[str, Any]) -> None:
        for name, value in body.items():
            if name == "agent_id":
                body[name] = next(self._ids["agent_id"])
            elif name == "credential_id" and value is not None:
                body[name] = next(self._ids["integration_id"])
            elif isinstance(value, dict):
                self._fill_ids(value)


class Surface:
    """All operations, a key for them, and the statuses that each has answered."""

    def __init__(self, control: ControlEdge) -> None:
        key = asyncio.run(control.make_key("schema"))
        self._headers = {"Authorization": f"Bearer {key}"}
        self._url = control.url
        self.session = requests.Session()
        self.session.trust_env = False
        recordings = Path(control.edge.environment["SIP_EDGE__VOICEMAIL__DIRECTORY"])
        ids = asyncio.run(write_rows(control.edge.dsn, "schema", ROWS, recordings))
        ids["integration_id"] = [self._integration() for _ in range(INTEGRATIONS)]
        self.known = Known(ids)
        schema = schemathesis.openapi.from_url(f"{self._url}/openapi.json")
        found = list(schema.get_all_operations())
        self.operations = [result.ok() for result in found if isinstance(result, Ok)]
        assert len(self.operations) == len(found)
        self.answered: dict[str, set[int]] = defaultdict(set)

    def _integration(self) -> str:
        account = {"name": "A", "provider": "telnyx", "api_key": API_KEY}
        url = f"{self._url}/v1/integrations"
        made = self.session.post(url, headers=self._headers, json=account)
        return str(made.json()["id"])

    def send(self, case: Case) -> None:
        """Send it and look at the answer."""
        response = case.call(base_url=self._url, session=self.session, headers=self._headers)
        self.answered[case.operation.label].add(response.status_code)
        assert response.status_code < 500, f"{response.text}\n{case.as_curl_command()}"
        case.validate_response(
            response,
            checks=CHECKS,
            headers=self._headers,
            transport_kwargs={"session": self.session},
        )


@pytest.fixture
def surface(control: ControlEdge) -> Iterator[Surface]:
    surface = Surface(control)
    yield surface
    surface.session.close()


@pytest.mark.timeout(300)
def test_api_is_what_its_openapi_says(surface: Surface) -> None:
    for operation, mode in itertools.product(surface.operations, MODES):
        try_out(surface, operation.as_strategy(mode))

    never = {label for label, seen in surface.answered.items() if not seen & set(range(200, 300))}
    assert never == set()
    assert len(surface.answered) == 24


def try_out(surface: Surface, cases: st.SearchStrategy[Case]) -> None:
    """Send examples of an operation: two of three about things that exist."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        # Without shrinking: the first example that fails says enough, and soon.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, is_filled=st.sampled_from([True, True, False]))
    def send(case: Case, is_filled: bool) -> None:
        if is_filled:
            surface.known.fill(case)
        surface.send(case)

    send()
