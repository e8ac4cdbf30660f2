"""Chromium without a screen, and what a test asks of a page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

INSTALL = "apt-get update && apt-get install -y chromium chromium-driver"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Page:
    """An open page. Elements are asked for by CSS selector."""

    def __init__(self, profile: Path) -> None:
        browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if not (browser and driver):
            pytest.skip(f"no Chromium: {INSTALL}")
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))

    def open(self, file: Path, width: int = 1200, dark: bool = False) -> None:
        wanted = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wanted)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        self.driver.get(file.as_uri())

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.all(selector)]

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def press(self, *keys: str) -> None:
        """On whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(self, selector: str, most: int = 80) -> WebElement:
        """Press Tab until an element of ``selector`` has the focus, as someone without a pointer
        does."""
        for _ in range(most):
            self.press(Keys.TAB)
            own = self.driver.switch_to.active_element
            if own in self.all(selector):
                return own
        raise AssertionError(f"Tab does not reach {selector}")

    @contextmanager
    def quietly(self, file: Path) -> Iterator[Page]:
        """Open ``file``; whatever is done within, the console stays silent and nothing
        is fetched."""
        self.open(file)
        yield self
        assert self.mistakes() == []
        assert self.run("return performance.getEntriesByType('resource').length") == 0

    def mistakes(self) -> list[str]:
        """What the browser's console complains of."""
        driver: Any = self.driver  # selenium has no type for its logs
        return [entry["message"] for entry in driver.get_log("browser") if entry["level"] != "INFO"]
