"""Runs prism, which checks HTTP requests against an OpenAPI document that we did not write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from support.carrier_fakes import Recorded
from support.free_ports import free_port

ROOT = Path(__file__).parents[2]
SPECS = ROOT.parent / "shared" / "specs"
PROGRAM = ROOT / ".tools" / "prism" / "node_modules" / ".bin" / "prism"
START_SECONDS = 150.0
"""It takes three seconds of a core, on a machine that may be busy with a dozen other things."""


def why_not() -> str | None:
    """Why the tests cannot be run here; None if they can."""
    if shutil.which("node") is None or not PROGRAM.exists():
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
    """Prism on each of the documents (names within `shared/specs`, cut to paths), all at once."""
    with ExitStack() as stack:
        waiting: dict[str, tuple[subprocess.Popen[bytes], str]] = {}
        for spec, paths in specs.items():
            (folder / spec).write_text(cut(spec, paths))
            waiting[spec] = _start(folder / spec, stack)
        urls = {}
        deadline = time.monotonic() + START_SECONDS
        while waiting:
            for spec, (process, url) in list(waiting.items()):
                if _answers(url):
                    urls[spec] = url
                    del waiting[spec]
                elif process.poll() is not None:
                    # Somebody else has taken its port meanwhile.
                    waiting[spec] = _start(folder / spec, stack)
            assert time.monotonic() < deadline, f"prism does not answer for {list(waiting)}"
            time.sleep(0.2)
        yield Prism(urls)


def _start(document: Path, stack: ExitStack) -> tuple[subprocess.Popen[bytes], str]:
    """A prism for one document, to be stopped by `stack`, and where it will be."""
    port = free_port()
    process = subprocess.Popen(
        [str(PROGRAM), "mock", "-h", "127.0.0.1", "-p", str(port), str(document)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "NODE_ENV": "production"},
    )
    stack.callback(_stop, process)
    return process, f"http://127.0.0.1:{port}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def _answers(url: str) -> bool:
    """True once it says anything, were it only that there is no such page."""
    try:
        urllib.request.urlopen(f"{url}/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
