# SPDX-License-Identifier: BSD-3-Clause
"""fancap-exporter with a real daemon: for Debian's Prometheus, for promtool, and for people in a real Chromium."""
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import EXPORTER, Fancapd, Frames, Json, Link, interface, run, thaw, wait_until

if TYPE_CHECKING:
    from browser import Browser

COUNT = 5000
SOURCE = Path(__file__).parents[2]
RULES = SOURCE / "config/fancap.rules.yml"
DASHBOARD = SOURCE / "config/grafana-fancap.json"
SMALL_RING = {"size": "1MiB", "block-size": "64KiB", "block-timeout": "50ms"}


class Server:
    """A process that serves HTTP on loopback, and says in its log where."""

    def __init__(self, command: list[object], log: Path, pattern: str) -> None:
        self._log = log
        with log.open("w") as out:
            self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def said() -> re.Match[str] | None:
            assert self._process.poll() is None, log.read_text()
            return re.search(pattern, log.read_text())

        self.url = f"http://{wait_until(said, f'{command[0]} to listen')[1]}"

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(30)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def exporter(fancapd: Fancapd, opened: ExitStack) -> Server:
    """It need not find a daemon."""
    server = Server([EXPORTER, "--listen", "127.0.0.1:0", "--socket", fancapd.socket], fancapd.folder / "exporter.log",
                    r"serving on http://(\S+)/")
    opened.callback(server.close)
    return server


class Prometheus(Server):
    def __init__(self, exporter: Server, folder: Path) -> None:
        folder.mkdir()
        target = exporter.url.removeprefix("http://")
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(RULES)],
                  "scrape_configs": [{"job_name": "fancap", "static_configs": [{"targets": [target]}]}]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        super().__init__(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                          "--web.listen-address=127.0.0.1:0"], folder / "log", r'msg="Listening on" address=(\S+)')

    def query(self, expression: str) -> list[Json]:
        """[{"metric": labels, "value": [time, text]}]"""
        status, text = self.get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return json.loads(text)["data"]["result"] if status == 200 else []

    def wait_value(self, expression: str, value: int) -> None:
        def values() -> list[str]:
            return [one["value"][1] for one in self.query(expression)]

        wait_until(lambda: values() == [str(value)], f"{expression} to be {value}")


@pytest.fixture
def prometheus(exporter: Server, fancapd: Fancapd, opened: ExitStack) -> Prometheus:
    server = Prometheus(exporter, fancapd.folder / "prometheus")
    opened.callback(server.close)
    return server


def lose_packets(fancapd: Fancapd, link: Link) -> Json:
    """A worker that does nothing for a while finds its ring full. @return the totals"""
    worker = fancapd.workers()[0]
    os.kill(worker["pid"], signal.SIGSTOP)
    link.send(Frames({"min": 1400, "max": 1400}), COUNT)
    thaw(worker["pid"])
    total = fancapd.settle(COUNT)["total"]
    assert total["packets_dropped"] > 0
    return total


def test_prometheus_has_what_fancapd_counts(fancapd: Fancapd, link: Link, prometheus: Prometheus) -> None:
    fancapd.configure(interface(link, 2, ring=SMALL_RING, snaplen=2000))
    fancapd.start()
    prometheus.wait_value("sum(fancap_capture_drops_total)", 0)
    total = lose_packets(fancapd, link)
    prometheus.wait_value("sum(fancap_capture_packets_total)", COUNT)
    prometheus.wait_value('sum(fancap_capture_drops_total{reason="ring_full"})', total["packets_dropped"])
    prometheus.wait_value("sum(fancap_capture_written_packets_total)", total["packets_written"])
    prometheus.wait_value("sum(fancap_capture_written_bytes_total)", total["bytes_written"])
    for worker in fancapd.workers():
        prometheus.wait_value(f'fancap_capture_packets_total{{interface="cap0",worker="{worker["worker"]}"}}',
                              worker["packets_seen"])
    prometheus.wait_value('fancap_interface_state{interface="cap0",state="up"}', 1)
    # The rules are loaded, and see it.
    wait_until(lambda: prometheus.query('ALERTS{alertname="FancapPacketLoss",interface="cap0",reason="ring_full"}'), "an alert")
    os.kill(fancapd.workers()[1]["pid"], signal.SIGKILL)
    prometheus.wait_value('fancap_worker_restarts_total{worker="1"}', 1)
    fancapd.stop()
    prometheus.wait_value("fancap_up", 0)
    assert prometheus.query("fancap_capture_packets_total") == []
    prometheus.wait_value('up{job="fancap"}', 1)


def test_promtool_has_nothing_against_the_metrics(fancapd: Fancapd, link: Link, exporter: Server) -> None:
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(Frames(), COUNT)
    fancapd.settle(COUNT)
    status, text = exporter.get("/metrics")
    assert status == 200 and "\nfancap_up 1\n" in text
    done = run("promtool", "check", "metrics", input=text)
    assert (done.stdout, done.stderr) == ("", "")
    assert exporter.get("/healthz") == (200, "ok\n")
    fancapd.stop()
    status, reason = exporter.get("/healthz")
    assert status == 503 and "fancapd is not running" in reason
    status, text = exporter.get("/metrics")
    assert status == 200 and "\nfancap_up 0\n" in text
    assert run("promtool", "check", "metrics", input=text).stdout == ""
    assert exporter.stop() == 0


def test_alerts_fire_when_they_should(folder: Path) -> None:
    for path in (RULES, SOURCE / "tests/prometheus/fancap.test.yml"):
        shutil.copy(path, folder)
    run("promtool", "check", "rules", "--lint-fatal", folder / RULES.name)
    assert "SUCCESS" in run("promtool", "test", "rules", folder / "fancap.test.yml").stdout


def metric_names() -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", run(EXPORTER, "--list-metrics").stdout, re.M))


def test_rules_and_dashboard_use_metrics_that_exist() -> None:
    names = metric_names()
    assert "fancap_capture_packets_total" in names
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable]
    assert len(expressions) > 10 and len(variables) == 2
    for text in (*expressions, *variables, *re.findall(r"expr: (.*?)\n +(?:for|labels):", RULES.read_text(), re.S)):
        used = set(re.findall(r"\bfancap_\w+", text))
        assert used <= names, text
        assert used or text.startswith("up{"), text


def test_dashboard_queries_are_understood(fancapd: Fancapd, link: Link, prometheus: Prometheus) -> None:
    """By Prometheus; and most have something to show."""
    fancapd.configure(interface(link, 2))
    fancapd.start()
    link.send(Frames(), COUNT)
    fancapd.settle(COUNT)
    prometheus.wait_value("count(count_over_time(fancap_up[1m]) >= 3)", 1)
    variables = {"$instance": ".*", "$interface": ".*", "$__rate_interval": "1m", "$__range": "1m"}
    empty = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in variables.items():
                expression = expression.replace(name, value)
            status, text = prometheus.get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
            assert status == 200, text
            if not json.loads(text)["data"]["result"]:
                empty.append(panel["title"])
    # What has not been yet.
    assert set(empty) <= {"Lost packets per second", "Recordings reach back", "Room at the present rate"}
    fancapd.stop()


@pytest.fixture
def browser(folder: Path, opened: ExitStack) -> Browser:
    from browser import Browser as Chromium  # pylint: disable=import-outside-toplevel # what no other test takes

    chromium = Chromium(folder / "profile")
    opened.callback(chromium.close)
    return chromium


def number(text: str) -> int:
    return int(text.split()[0].replace(",", ""))


# By hand.
FIGURES = {
    "formatCount(1234567)": "1,234,567", "formatCount(null)": "–", "formatCount(undefined)": "–",
    "formatRate(0)": "0", "formatRate(0.25)": "0.3", "formatRate(12345)": "12,345", "formatRate(1234567)": "1.23 M",
    "formatBytes(0)": "0 B", "formatBytes(1023)": "1023 B", "formatBytes(1024)": "1.00 KiB", "formatBytes(10 * 1024 ** 3)": "10.0 GiB",
    "formatNs(999)": "999 ns", "formatNs(1500)": "1.50 µs", "formatNs(2.5e9)": "2.50 s",
    "formatSeconds(0)": "0 s", "formatSeconds(61)": "1 min 1 s", "formatSeconds(3600)": "1 h", "formatSeconds(100000)": "1 d 3 h",
    "formatPercent(0, 10)": "0.00 %", "formatPercent(1, 1e6)": "<0.01 %", "formatPercent(1, 3)": "33.3 %",
    "formatPercent(999999, 1e6)": ">99.99 %", "formatPercent(10, 10)": "100.0 %", "formatPercent(0, 0)": "–",
    "formatTime(1700000000000000000)": "2023-11-14 22:13:20 UTC", "formatTime(null)": "–",
    "niceCeiling(10)": 10, "niceCeiling(11)": 20, "niceCeiling(700)": 1000, "niceCeiling(1025, 1024)": 2048, "niceCeiling(0.3)": 0.5,
}
# Rates of what was seen, from [time in s, start, count] to the next.
RATES = """
const history = new History();
const one = seen => ({packets_seen: seen, packets_written: 0, bytes_written: 0, packets_dropped: 0, packets_discarded: 0,
                      discarded_by_reason: {}, writes: 0, write_ns: 0});
for (const [time, started, seen] of arguments[0])
    history.add({time_ns: time * 1e9, started_ns: started, total: one(seen), interfaces: []});
return history.samples.map((_, i) => history.rateAt(i, "", "seen"));
"""


def check_figures(browser: Browser) -> None:
    got = browser.run(f"return [{', '.join(FIGURES)}]")
    assert dict(zip(FIGURES, got)) == FIGURES
    assert browser.run(RATES, [[1, 1, 5], [2, 1, 25], [4, 1, 45], [4, 1, 45]]) == [None, 20, 10]  # the same answer twice
    assert browser.run(RATES, [[1, 1, 5], [2, 2, 3], [3, 2, 4]]) == [None, None, 1]  # restarted
    assert browser.run(RATES, [[1, 1, 5], [2, 1, 3], [100, 1, 4]]) == [None, None, None]  # shrunk; asleep
    assert browser.run(RATES, [[100, 1, 5], [50, 1, 6], [51, 1, 8]]) == [None, 2]  # the clock was set back


def test_page_shows_what_happens(fancapd: Fancapd, link: Link, exporter: Server, browser: Browser) -> None:
    browser.resize(1280, 1600)
    fancapd.configure(interface(link, 2, ring=SMALL_RING, snaplen=2000))
    fancapd.start()
    browser.open(f"{exporter.url}/")
    wait_until(lambda: browser.text("#state") == "running", "running")
    assert "nothing was lost" in browser.text("#charts")
    assert browser.text("#losses tbody").split()[:2] == ["cap0", "0"]

    # Numbers move.
    sender = link.flow(Frames({"min": 400, "max": 1400}), pps=2000)
    seen = "#interfaces tbody td:nth-child(6)"
    wait_until(lambda: number(browser.text(seen)) > 1000, "packets")
    before = number(browser.text(seen))
    wait_until(lambda: number(browser.text(seen)) > before, "more packets")
    wait_until(lambda: number(browser.text("#tile-seen dd")) > 500, "a rate")
    points = "return document.querySelector('#charts path.series.a').getAttribute('d').split('L').length"
    drawn = browser.run(points)
    wait_until(lambda: browser.run(points) > drawn, "the chart to grow")
    assert re.search(r"Packets per second, the last 5 minutes\. Now: written [\d,]+", browser.run(
        "return document.querySelector('#charts svg').getAttribute('aria-label')"))

    # Losses show, by worker and reason, and agree with what fancapd says.
    worker = fancapd.workers()[0]
    os.kill(worker["pid"], signal.SIGSTOP)
    wait_until(lambda: fancapd.statistics()["total"]["packets_dropped"] > 0, "drops")
    thaw(worker["pid"])
    wait_until(lambda: browser.text("#state") == "losing packets", "losing packets")
    browser.screenshot("desktop")
    total = fancapd.settle(sender.stop()["sent"])["total"]
    wait_until(lambda: number(browser.text(seen)) == total["packets_seen"], "all packets")
    assert number(browser.text("#losses tbody td:nth-child(2)")) == total["packets_dropped"]
    assert number(browser.text("#tile-lost dd.more")) == total["packets_dropped"]
    assert number(browser.text("#workers tbody td:nth-child(6)")) == fancapd.workers()[0]["packets_dropped"]
    assert [row.split()[0] for row in browser.text("#workers tbody").splitlines() if row.startswith("cap0")] == ["cap0", "cap0"]
    assert browser.run("return document.querySelector('#directories .gauge span').style.width").endswith("%")

    # On a phone nothing sticks out.
    browser.resize(360, 740, phone=True)
    wait_until(lambda: browser.run("return innerWidth") == 360, "the size of a phone")
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    assert browser.run("return [...document.querySelectorAll('main *')].filter(e => !e.closest('thead') && "
                       "e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)") == []
    browser.screenshot("phone")

    check_figures(browser)

    # Somebody reads it to somebody else: tables are tables.
    assert browser.run("return document.querySelectorAll('table[role=table] [role=columnheader]').length") > 20
    assert browser.run("return [...document.querySelectorAll('#workers tbody td')].every(e => e.dataset.label)")

    # It says what it does not know.
    fancapd.stop()
    wait_until(lambda: browser.text("#state") == "daemon not running", "daemon not running")
    assert "fancapd is not running" in browser.text("#notice")
    fancapd.start()
    wait_until(lambda: browser.text("#state") == "running", "running again")
    assert browser.text("#notice") == ""
    assert browser.complaints() == []
    asked = browser.requests()
    assert len(asked) > 3 and {url.removeprefix(exporter.url) for url in asked} == {"/", "/api/statistics"}
    exporter.close()
    wait_until(lambda: browser.text("#state") == "stale", "stale")
    assert "has not answered for" in browser.text("#notice")
    browser.screenshot("stale")
    fancapd.stop()
