"""Runs prism, which checks HTTP requests against an OpenAPI document that we did not write."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from support.carrier_fakes import Recorded

ROOT = Path(__file__).parents[2]
SPECS = ROOT.parent / "shared" / "specs"
INSTALLED = ROOT / ".tools" / "prism"
SERVER = ROOT / "tests" / "peers" / "prism" / "serve.js"
START_SECONDS = 150.0
"""It takes three seconds of a core, on a machine that may be busy with a dozen other things."""


def why_not() -> str | None:
    """Why the tests cannot be run here; None if they can."""
    if shutil.which("node") is None or not (INSTALLED / "node_modules" / ".bin" / "prism").exists():
        return "prism is not installed: make peers"
    return None if SPECS.is_dir() else "the carriers' specifications are not beside the project"


class Prism:
    """Several documents, each behind a port of its own."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = urls

    def complaint(self, spec: str, request: Recorded, *, strip: str = "") -> str | None:
        """What is wrong with a request according to a document; None if it is right."""
        path = request.path.removeprefix(strip)
        query = f"?{urlencode(request.query)}" if request.query else ""
        sent = urllib.request.Request(
            f"{self._urls[spec]}{path}{query}",
            data=request.raw or None,
            method=request.method,
            headers={
                name: value
                for name, value in request.headers.items()
                if name in ("authorization", "content-type", "accept")
            },
        )
        try:
            with urllib.request.urlopen(sent, timeout=30) as answer:
                violations = answer.headers.get("sl-violations") or ""
        except urllib.error.HTTPError as error:
            return f"{request.line}{query}: {error.code} {error.read().decode()[:600]}"
        return violations if '"request"' in violations else None


def cut(spec: str, paths: Sequence[str]) -> str:
    """A document with these paths alone (what they begin with), and all that they refer to.

    Whole, Telnyx's document keeps prism busy for half a minute before the first request.
    """
    whole = json.loads((SPECS / spec).read_text())
    kept = {path: item for path, item in whole["paths"].items() if path.startswith(tuple(paths))}
    parts: dict[str, dict[str, Any]] = {
        "securitySchemes": whole["components"].get("securitySchemes", {})
    }
    waiting: list[Any] = [kept]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            reference = value.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/components/"):
                _, _, kind, name = reference.split("/")
                if name not in parts.setdefault(kind, {}):
                    parts[kind][name] = whole["components"][kind][name]
                    waiting.append(parts[kind][name])
    whole.pop("webhooks", None)
    return json.dumps(whole | {"paths": kept, "components": parts})


@contextmanager
def running_prism(folder: Path, specs: Mapping[str, Sequence[str]]) -> Iterator[Prism]:
    """Prism on each of the documents (names within `shared/specs`, cut to paths): one process."""
    for spec, paths in specs.items():
        (folder / spec).write_text(cut(spec, paths))
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            ["node", str(SERVER), str(INSTALLED), *(str(folder / spec) for spec in specs)],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "NODE_ENV": "production"},
        )
    assert process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        said = process.stdout.readline() if ready else b""
        assert said, f"prism does not start: {(folder / 'errors').read_text()}"
        yield Prism(dict(zip(specs, json.loads(said), strict=True)))
    finally:
        process.stdout.close()
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
