# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What the tests may cost, in seconds of a processor: wall time says as much about a machine's other work as about the tests.

`make test` as a whole may take `SUITE_SECONDS`, summed over the workers of pytest-xdist and the processes that they start, and the body
of a test that is not marked slow `TEST_SECONDS`. Shared fixtures count in the first sum alone. Only whole runs are judged, in which no test
was chosen by name, file or outcome. On a slower machine, the environment variable `SUITE_PROCESSOR_SECONDS` takes the place of the first limit,
and the second grows as much.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest


try:
    import resource
except ImportError:  # Windows, where nothing is judged
    resource = None  # type: ignore[assignment]


# a whole run on two cores of an AMD EPYC, and 40 % more: the seconds of one and the same run differ, as cores share caches and units
SUITE_SECONDS = 3200
TEST_SECONDS = 90
VARIABLE = "SUITE_PROCESSOR_SECONDS"
_KEY = "processor_time"


def processor_seconds() -> float:
    """Of this process and the children that it has waited for."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def is_whole_run(config: pytest.Config) -> bool:
    """Whether the run is that of `make test`, with every test in it."""
    options = config.option
    chosen = options.keyword or options.deselect or options.ignore or options.ignore_glob or options.maxfail
    chosen = chosen or getattr(options, "lf", False) or getattr(options, "failedfirst", False)
    from_settings = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return from_settings and options.markexpr == "not slow" and not chosen and not options.collectonly


def complaints(seconds: float, tests: dict[str, float], limit: float) -> list[str]:
    """A line for each limit that a run of so many seconds, with these tests in it, has passed."""
    found = []
    if seconds > limit:
        found.append(
            f"The tests took {seconds:.0f} s of a processor, and may take {limit:.0f} s: make the slowest cheaper "
            f"(--durations=20), mark them slow, or raise SUITE_SECONDS of tests/helpers/processor_time.py and say why. "
            f"On a slower machine, set {VARIABLE}."
        )
    limit_of_test = TEST_SECONDS * max(1.0, limit / SUITE_SECONDS)
    for name, spent in sorted(tests.items(), key=lambda item: -item[1]):
        if spent > limit_of_test:
            found.append(
                f"{name} took {spent:.0f} s of a processor, and may take {limit_of_test:.0f} s: make it cheaper or mark it slow. "
                f"On a slower machine, set {VARIABLE}."
            )
    return found


class ProcessorTime:
    """The plugin, in each worker of pytest-xdist and in the process that starts them."""

    def __init__(self) -> None:
        self.seconds = 0.0  # of workers that have ended
        self.tests: dict[str, float] = {}
        self.found: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        before = processor_seconds()
        try:
            return (yield)
        finally:
            self.tests[item.nodeid] = processor_seconds() - before

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        seconds, tests = getattr(node, "workeroutput", {}).get(_KEY, (0.0, {}))
        self.seconds += seconds
        self.tests |= tests

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_KEY] = processor_seconds(), self.tests
            return
        # workers of pytest-xdist are no children that were waited for
        self.seconds += processor_seconds()
        if is_whole_run(session.config):
            self.found = complaints(self.seconds, self.tests, float(os.environ.get(VARIABLE, SUITE_SECONDS)))
        if self.found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"processor time: {self.seconds:.0f} s")
        for line in self.found:
            terminalreporter.write_line(line, red=True)


def pytest_configure(config: pytest.Config) -> None:
    if resource is not None:
        config.pluginmanager.register(ProcessorTime())
