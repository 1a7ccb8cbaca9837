# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures. Each test has namespaces, cables, folders and daemons of its own: any order, side by side."""
from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness import FANCAPD, TRAFFIC, VERIFY, Fancapd, Link, Namespace


def pytest_configure() -> None:
    for program in (FANCAPD, TRAFFIC, VERIFY):
        if not program.exists():
            pytest.exit(f"{program} is missing: run `make all check` first, or set BUILDDIR", returncode=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: network namespaces and packet sockets"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what the daemon logged."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for daemon in getattr(item, "fancap_daemons", []):
            report.sections.append((f"log of {daemon.folder.name}", daemon.log()[-8000:]))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Recordings take gigabytes: removed at once, not kept as pytest's tmp_path is."""
    path = Path(tempfile.mkdtemp(prefix="fancap-test-", dir=os.environ.get("FANCAP_TEST_DIR")))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def opened(folder: Path) -> Iterator[ExitStack]:
    """What to close after the test, last first, whatever goes wrong; then the folder goes."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def make_namespace(opened: ExitStack) -> Callable[[], Namespace]:
    def make() -> Namespace:
        namespace = Namespace()
        opened.callback(namespace.close)
        return namespace

    return make


@pytest.fixture
def namespace(make_namespace: Callable[[], Namespace]) -> Namespace:
    return make_namespace()


@pytest.fixture
def make_link(namespace: Namespace, opened: ExitStack) -> Callable[..., Link]:
    def make(name: str = "cap0", **options: Any) -> Link:
        link = Link(namespace, name, **options)
        opened.callback(link.close)
        return link

    return make


@pytest.fixture
def link(make_link: Callable[..., Link]) -> Link:
    return make_link()


@pytest.fixture
def make_daemon(request: pytest.FixtureRequest, namespace: Namespace, folder: Path,
                opened: ExitStack) -> Callable[..., Fancapd]:
    """A daemon in the test's namespace; it is not started yet."""
    request.node.fancap_daemons = []

    def make(where: Namespace | None = None) -> Fancapd:
        place = folder / f"daemon{len(request.node.fancap_daemons)}"
        place.mkdir()
        daemon = Fancapd(where or namespace, place)
        request.node.fancap_daemons.append(daemon)
        opened.callback(daemon.close)
        return daemon

    return make


@pytest.fixture
def fancapd(make_daemon: Callable[..., Fancapd]) -> Fancapd:
    return make_daemon()
