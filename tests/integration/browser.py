# SPDX-License-Identifier: BSD-3-Clause
"""A real Chromium without a screen: what a page shows, what it asks for, what it complains about."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

# As root there is no sandbox; all but the page's own requests is switched off.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")


class Browser:
    def __init__(self, profile: Path) -> None:
        options = Options()
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self._driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))

    def close(self) -> None:
        self._driver.quit()

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone})

    def open(self, url: str) -> None:
        self._driver.get(url)

    def run(self, script: str, *arguments: object) -> Any:
        """A function's body. @return what it returns"""
        return self._driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector).strip()

    def complaints(self) -> list[str]:
        """Of the console, since the last time."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What the page asked for since the last time; not what the browser's own first page did."""
        messages = [json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")]
        sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent if one["documentURL"] == self._driver.current_url]

    def screenshot(self, name: str) -> None:
        """For somebody to look at, if $FANCAP_SCREENSHOTS says where."""
        if folder := os.environ.get("FANCAP_SCREENSHOTS"):
            self._driver.save_screenshot(str(Path(folder) / f"{name}.png"))
