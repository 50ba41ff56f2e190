"""A pytest plugin: a run in which a test was skipped fails (`-p support.no_skips`).

A machine that lacks a peer skips its tests and says so; where everything can be installed, a skip
means that something is broken.
"""

from __future__ import annotations

import pytest


class SkipRecorder:
    """Collects what was skipped, while collecting tests or while running them."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test that is expected to fail is reported as skipped too, with this attribute.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section("SKIPPED TESTS ARE NOT ALLOWED HERE", red=True)
            for nodeid in self.skipped:
                terminalreporter.line(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipRecorder(), "skip-recorder")
