# SPDX-License-Identifier: BSD-3-Clause
"""fancapd as a service of a booted systemd, with what the soak asks of a daemon: all PIDs as the host counts them."""
from __future__ import annotations

import contextlib
import json

from harness import Json, Link, is_alive, read_proc_status, wait_until
from machine import CONFIG, SOCKET, STATE, UNIT, Machine, Service, assert_ended_well

WATCHDOG_S = 10


def boot_fancap(tree: Path, layer: Path) -> Machine:
    """With a watchdog that does not take half a minute."""
    machine = Machine(tree, layer)
    machine.do("systemd-sysusers")
    drop_in = machine.path(f"/run/systemd/system/{UNIT}.d/soak.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(f"[Service]\nWatchdogSec={WATCHDOG_S}s\n")
    machine.do("systemctl", "daemon-reload")
    return machine


class FancapService(Service):
    def __init__(self, machine: Machine, link: Link) -> None:
        super().__init__(machine, link)
        self.all_there = False  # of rings of an earlier process the sums only are left
        self.recordings = machine.path(STATE)
        self.socket = machine.path(SOCKET)
        self.config_path = machine.path(CONFIG)

    def configure(self, *interfaces: Json, **storage: Json) -> None:  # type: ignore[override]
        """Write a configuration for several, as of harness.Fancapd."""
        storage = {**storage.pop("storage", {}), **storage}
        self.write_config(json.dumps({"interfaces": interfaces, "storage": storage}, indent=1))

    def stop(self) -> None:
        self.systemctl("stop")
        assert_ended_well(self)

    def _on_host(self) -> dict[int, int]:
        """By the PIDs that the machine counts."""
        found = {}
        for pid in super().processes():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found[int(read_proc_status(pid)["NSpid"].split()[-1])] = pid
        return found

    @property
    def pid(self) -> int:
        return self._on_host()[self.main_pid]

    def processes(self) -> list[int]:
        """Supervisor first, if there is one, then its children."""
        on_host = self._on_host()
        main = on_host.pop(self.main_pid, None)
        return [*([main] if main else []), *on_host.values()]

    def workers(self) -> list[Json]:
        on_host = self._on_host()
        return [{**worker, "pid": on_host.get(worker["pid"])}
                for one in self.statistics()["interfaces"] for worker in one["workers"]]

    def status(self) -> Json:
        status = self.call("io.fancap.GetStatus")
        status["storage"]["keeper_pid"] = self._on_host().get(status["storage"]["keeper_pid"])
        return status

    def wait_successor(self, main: int) -> None:
        """Wait until another process captures than the one that was `main`, as the machine counts."""
        def captures() -> bool:
            now = self.main_pid
            return (now not in (0, main) and self.show("ActiveState") == "active" and self.show("Job") in ("", "0") and
                    is_alive(self._on_host().get(now, 0)))

        wait_until(captures, "the next fancapd", 120)

    def log(self) -> str:
        return "\n".join(self.messages())
