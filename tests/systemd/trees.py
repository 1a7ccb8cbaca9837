# SPDX-License-Identifier: BSD-3-Clause
"""Debian trees to run things in, and fancap as a package would install it."""
from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import BUILDDIR, run

CACHE = Path(os.environ.get("FANCAP_CACHE", "/var/cache/fancap-tests"))

BASE = ("systemd", "systemd-sysv", "dbus", "iproute2")
# What fancapd and fancapctl are linked with, under Debian 12's names.
RUNTIME = ("libcap-ng0", "libcyaml1", "libevent-core-2.1-7", "libevent-extra-2.1-7", "libjansson4", "libpcap0.8", "libseccomp2",
           "libsystemd0", "libyaml-0-2", "liburing2", "libmnl0", "libncursesw6", "libzstd1")

TRIM = ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*"]


def debian_tree(suite: str, packages: Sequence[str]) -> Path:
    """A minimal Debian with these packages: from the cache, or made now. Whoever uses it must not write to it."""
    if not shutil.which("mmdebstrap"):
        pytest.skip("mmdebstrap is not installed")
    name = hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:12]
    tree = CACHE / f"{suite}-{name}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{suite}-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one makes it, others wait for it
        if not tree.exists():
            make_tree(suite, packages, tree)
    return tree


def make_tree(suite: str, packages: Sequence[str], tree: Path) -> None:
    """It gets its name when it is complete."""
    with tempfile.TemporaryDirectory(prefix=f"{tree.name}.", dir=CACHE) as temporary:
        made = Path(temporary) / "tree"
        done = subprocess.run(["mmdebstrap", "--variant=minbase", *TRIM, f"--include={','.join(packages)}", suite,
                               str(made)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"mmdebstrap cannot make a Debian {suite} here (no archive?): {done.stderr[-500:]}")
        made.chmod(0o755)
        made.rename(tree)


def build_fancap(place: Path) -> Path:
    """
    fancap, built with a distribution's paths. @return the folder to `make install` in

    That is BUILDDIR if it has these paths, as runtests sees to; else it is built in `place`, from what `make dist` would pack.
    """
    source, build = place / "source", place / "build"
    paths = {"prefix": "/usr", "sysconfdir": "/etc", "localstatedir": "/var", "runstatedir": "/run"}
    lines = (BUILDDIR / "Makefile").read_text().splitlines()
    if all(f"{name} = {value}" in lines for name, value in paths.items()):
        return BUILDDIR
    run("make", "-C", BUILDDIR, "distdir", f"distdir={source}")
    build.mkdir()
    run(source / "configure", "--quiet", *(f"--{name}={value}" for name, value in paths.items()), "CFLAGS=-O1 -g", cwd=build)
    run("make", f"-j{os.cpu_count()}", cwd=build)
    return build


def install_fancap(build: Path, place: Path) -> Path:
    """fancap as a package would install it. @return what to lay over a tree, a folder in `place`"""
    run("sh", "-c", f"umask 022 && make install DESTDIR='{place}/layer'", cwd=build)
    return place / "layer"
