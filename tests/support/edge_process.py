"""Runs the whole server, `sip-edge serve`, as an operator would: a process and its environment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
from prometheus_client.parser import text_string_to_metric_families
from support.free_ports import free_port, free_ports

TLS_FILES = Path(__file__).parents[1] / "data" / "tls"
START_SECONDS = 60
"""Migrations included, on a machine that is busy with other things."""
STOP_SECONDS = 30
RTP_PORTS = 200

CARRIERS = {
    # Loopback addresses stand for the carriers' networks: the source address says who calls.
    "local": {"networks": ["127.0.0.0/24"], "country": "US"},
    "twilio": {"networks": ["127.0.54.0/24"], "provider": "twilio", "country": "US"},
    "telnyx": {"networks": ["127.0.64.0/24"], "provider": "telnyx", "country": "US"},
    "secret": {"networks": ["127.0.71.0/24"], "country": "US", "srtp": "required"},
    "public": {"networks": ["127.0.72.0/24"], "country": "US", "srtp": "off"},
}


NO_LIMITS = {
    # All peers of the tests share one address, and the machine may be busy with other things.
    "SIP_EDGE__LIMITS__REQUESTS_PER_SECOND": "100000",
    "SIP_EDGE__LIMITS__REQUESTS_PER_SECOND_PER_SOURCE": "100000",
    "SIP_EDGE__LIMITS__DATAGRAMS_PER_SECOND_PER_SOURCE": "100000",
    "SIP_EDGE__LIMITS__MAX_LOOP_LAG_SECONDS": "30",
    "SIP_EDGE__LIMITS__MAX_PACING_LAG_SECONDS": "30",
}


class EdgeProcess:
    """One edge on ports of its own. `dsn` names a database that is its alone."""

    host = "127.0.0.1"

    def __init__(
        self, folder: Path, *, dsn: str, settings: Mapping[str, str] | None = None
    ) -> None:
        self.dsn = dsn
        self.sip_port = free_port()
        self.tls_port = free_port()
        self.http_port = free_port()
        self.api_port = free_port()
        self.certificate = folder / "edge.pem"
        self.key = folder / "edge.key"
        self.install_certificate("edge")
        rtp_port = free_ports(RTP_PORTS)
        self._output = folder / "edge.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if "SIP_EDGE" not in name},
            "SIP_EDGE__SIP__HOST": self.host,
            "SIP_EDGE__SIP__PORT": str(self.sip_port),
            "SIP_EDGE__SIP__TRANSPORTS": "udp, tcp, tls",
            "SIP_EDGE__SIP__TLS_PORT": str(self.tls_port),
            "SIP_EDGE__SIP__TLS_CERTIFICATE_FILE": str(self.certificate),
            "SIP_EDGE__SIP__TLS_KEY_FILE": str(self.key),
            "SIP_EDGE__SIP__TLS_CA_FILE": str(TLS_FILES / "ca.pem"),
            "SIP_EDGE__HTTP__HOST": self.host,
            "SIP_EDGE__HTTP__PORT": str(self.http_port),
            # A process more, which most tests do without.
            "SIP_EDGE__API__ENABLED": "false",
            "SIP_EDGE__API__PORT": str(self.api_port),
            "SIP_EDGE__DATABASE__DSN": dsn,
            "SIP_EDGE__DATABASE__DATA_DIR": str(folder / "data"),
            "SIP_EDGE__MEDIA__PORT_MIN": str(rtp_port),
            "SIP_EDGE__MEDIA__PORT_MAX": str(rtp_port + RTP_PORTS - 1),
            "SIP_EDGE__VOICEMAIL__DIRECTORY": str(folder / "voicemail"),
            "SIP_EDGE__DATABASE__SPOOL_DIR": str(folder / "spool"),
            "SIP_EDGE__CARRIERS": json.dumps(CARRIERS),
            "SIP_EDGE__SHUTDOWN__DRAIN_SECONDS": "5",
            "SIP_EDGE__DISPATCH__FORWARD_HEADERS": "X-Case",
            **NO_LIMITS,
            **(settings or {}),
        }
        if "tls" not in self._environment["SIP_EDGE__SIP__TRANSPORTS"]:
            for name in ("CERTIFICATE_FILE", "KEY_FILE", "CA_FILE"):
                del self._environment[f"SIP_EDGE__SIP__TLS_{name}"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> Mapping[str, str]:
        """What its commands are run with."""
        return self._environment

    @property
    def address(self) -> str:
        """Where it takes calls, as host:port."""
        return f"{self.host}:{self.sip_port}"

    def install_certificate(self, name: str) -> None:
        """Put a certificate of `tests/data/tls` and its key in place, as an ACME client would."""
        for target, ending in ((self.key, "key"), (self.certificate, "pem")):
            shutil.copy(TLS_FILES / f"{name}.{ending}", target.with_suffix(".new"))
            target.with_suffix(".new").replace(target)

    @property
    def output(self) -> str:
        """All that it has written to standard output and standard error."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of `sip-edge` with this edge's environment, to its end."""
        return self.run_with({}, *arguments)

    def run_with(
        self, settings: Mapping[str, str], *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        """As `run`, with some settings changed."""
        return subprocess.run(
            [sys.executable, "-m", "sip_edge", *arguments],
            env={**self._environment, **settings},
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def migrate(self) -> None:
        """Bring the database up to date, so that rows can be written before the server starts."""
        done = self.run("migrate")
        assert done.returncode == 0, f"sip-edge migrate: {done.stdout}{done.stderr}"

    def start(self) -> None:
        """Start the server and wait until it says that it is ready."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sip_edge", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while self.http_status("/readyz") != 200:
            if self._process.poll() is not None:
                raise AssertionError(f"the edge ended with {self._process.poll()}:\n{self.output}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"not ready after {START_SECONDS} s:\n{self.output[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end:\n{self.output[-4000:]}") from None

    def kill(self) -> None:
        """End it without asking."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def check_health(self) -> None:
        """AssertionError if the process is gone or has met an error of its own making."""
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"the edge ended with {code}:\n{self.output[-8000:]}"
        errors = self.metric("sip_edge_internal_errors_total")
        assert errors == 0, f"{errors:g} internal errors:\n{self.output[-8000:]}"

    def http_status(self, path: str) -> int:
        """The status that a GET gets; 0 if nobody listens."""
        try:
            with self._get(path) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0

    def http_text(self, path: str) -> str:
        """What a GET that succeeds is answered."""
        with self._get(path) as response:
            text: str = response.read().decode()
        return text

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all series of this name that have these labels; 0 if there are none."""
        return sum(
            sample.value
            for sample in self.samples()
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def samples(self) -> list[Any]:
        """Every sample of /metrics."""
        with self._get("/metrics") as response:
            text = response.read().decode()
        return [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def log(self) -> list[dict[str, Any]]:
        """Every line of its log that is JSON and written to its end."""
        whole = self.output.rpartition("\n")[0]
        lines = [line for line in whole.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    async def sql(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement in its database, as any client of PostgreSQL would."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    def _get(self, path: str) -> Any:
        url = f"http://{self.host}:{self.http_port}{path}"
        # No proxy of the environment may stand between us and the loopback address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(url, timeout=10)
