# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: one machine for all tests, booted when the first asks for it; each test starts from a stopped service."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import FANCAPCTL, FANCAPD, TRAFFIC, VERIFY, Link
from machine import Machine, Service
from trees import BASE, RUNTIME, build_fancap, debian_tree, install_fancap


def pytest_configure() -> None:
    for program in (FANCAPD, FANCAPCTL, TRAFFIC, VERIFY):
        if not program.exists():
            pytest.exit(f"{program} is missing: run `make check-systemd`, or set BUILDDIR", returncode=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if {"machine", "trixie"} & set(item.fixturenames):
                item.add_marker(pytest.mark.skip(reason="needs root: namespaces and packet sockets"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what the journal has of the service."""
    outcome = yield
    report = outcome.get_result()
    service = item.funcargs.get("service") if hasattr(item, "funcargs") else None
    if report.when == "call" and report.failed and service:
        report.sections.append(("journal", "\n".join(service.messages()[-60:])))


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fancap-test-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def fancap_build() -> Iterator[Path]:
    """fancap, built as a package would."""
    with tempfile.TemporaryDirectory(prefix="fancap-test-") as path:
        yield build_fancap(Path(path))


@pytest.fixture(scope="session")
def layer(fancap_build: Path) -> Iterator[Path]:
    """What to lay over a tree."""
    with tempfile.TemporaryDirectory(prefix="fancap-test-") as path:
        yield install_fancap(fancap_build, Path(path))


@pytest.fixture(scope="session")
def machine(layer: Path) -> Iterator[Machine]:
    """A Debian 12 that runs, with fancap installed, and what a package's scripts do done."""
    with ExitStack() as stack:
        machine = Machine(debian_tree("bookworm", BASE + RUNTIME), layer)
        stack.callback(machine.close)
        machine.do("systemd-sysusers")
        machine.do("journalctl", "--update-catalog")
        machine.do("systemctl", "enable", "fancapd.service")
        machine.do("useradd", "--groups", "fancap", "member")
        machine.do("useradd", "--groups", "fancap,fancap-admin", "admin")
        machine.do("useradd", "stranger")
        yield machine


@pytest.fixture(scope="session")
def cable(machine: Machine) -> Link:
    return Link(machine)


@pytest.fixture
def service(machine: Machine, cable: Link) -> Iterator[Service]:
    service = Service(machine, cable)
    yield service
    cable.close()
    service.stop()


@pytest.fixture(scope="session")
def trixie() -> Path:
    """A Debian 13, which has varlinkctl. It does not run; do not write to it."""
    return debian_tree("trixie", BASE)
