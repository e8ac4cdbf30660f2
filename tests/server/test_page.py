"""The page in a real browser: chat, add a document, see the memory, correct and forget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="python -m pip install 'selenium>=4.20'")

from selenium.webdriver.common.keys import Keys

from tests.report.browser import Page
from tests.server.served import PATIENCE, QUICK, Server, running

EVIL = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script>"
SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.driver.quit()


def until(holds: Callable[[], Any], what: str = "") -> Any:
    """What ``holds`` gives as soon as that is true."""
    end = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


@contextmanager
def opened(browser: Page, memory: Path, *options: str, but: str = "nothing") -> Iterator[Server]:
    """A server with its page; its console says nothing meanwhile ``but`` one thing."""
    with running(memory, *options) as server:
        browser.mistakes()  # of an earlier page
        browser.driver.get(server.address)
        until(lambda: browser.one("#model").text, "the page does not start")
        yield server
        said = [line for line in browser.mistakes() if but not in line]
        browser.driver.get("about:blank")  # before its server is gone
    assert said == []


def say(browser: Page, text: str) -> str:
    """The reply to ``text``."""
    before = len(browser.all("#turns > li"))
    browser.one("#question").send_keys(text, Keys.ENTER)
    until(lambda: len(browser.all("#turns .made")) > before // 2, browser.one("#notice").text)
    return browser.texts("#turns > .assistant .text")[-1]


def drop(browser: Page, folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(text)
    browser.one("#file").send_keys(str(file))
    until(lambda: name in browser.one("#notice").text, browser.one("#notice").text)


def test_a_document_is_added_seen_corrected_and_forgotten(
    browser: Page, memory: Path, tmp_path: Path
) -> None:
    with opened(browser, memory, *QUICK) as server:
        assert "pocket" in browser.one("#model").text
        drop(browser, tmp_path, "zorbit.md", "The zorbit of Harlow weighs 47 kilograms.")
        row = until(lambda: browser.all("details.document"))[0]
        assert row.get_attribute("data-name") == "zorbit.md"
        until(lambda: "1 in adapters" in browser.one("#legend").text)
        until(lambda: browser.all("#curve polyline"))
        until(lambda: len(browser.all("#adapters tbody tr")) == 1)

        reply = say(browser, "How much does the zorbit of Harlow weigh?")
        assert reply
        browser.one("#turns .made summary").click()
        until(lambda: "weighs 47 kilograms" in browser.one("#turns .sources").text)
        assert "in an adapter" in browser.one("#turns .sources").text

        browser.one("details.document summary").click()
        correct, _ = browser.all("details.document .facts .link")
        correct.click()
        field = browser.one(".correcting textarea")
        field.clear()
        field.send_keys("The zorbit of Harlow weighs 48 kilograms.")
        browser.one(".correcting .main").click()
        until(
            lambda: (
                browser.texts(".passages .text") == ["The zorbit of Harlow weighs 48 kilograms."]
            )
        )
        (passage,) = [row for row in server.get("/memory/passages") if row["state"] != "superseded"]
        assert "48" in passage["text"]

        browser.one("details.document > button").click()
        until(lambda: not browser.all("details.document"))
        assert server.get("/memory/documents") == []
        browser.one("#undo").click()
        until(lambda: browser.all("details.document"))
        assert "48" in server.get("/memory/passages")[-1]["text"]


def test_text_never_becomes_markup_and_nothing_comes_from_elsewhere(
    browser: Page, memory: Path, tmp_path: Path
) -> None:
    with opened(browser, memory, "--no-learner") as server:
        drop(browser, tmp_path, "evil.md", f"# {EVIL}\n\nThe key of Harlow is {EVIL}\n")
        server.add("evil<b>.txt", f"{EVIL} is the key of Harlow.", "session<i>")
        server.http.post(
            "/v1/chat/completions",
            json={"messages": [{"role": "user", "content": EVIL}], "max_tokens": 8},
            headers={"X-Session": "session<i>"},
        ).raise_for_status()
        say(browser, f"What is the key of Harlow? {EVIL}")
        browser.one("#turns .made summary").click()
        until(lambda: browser.all("#turns .sources li"))
        until(lambda: len(browser.all("details.document")) == 2)
        for summary in browser.all("details.document summary"):
            summary.click()
        assert browser.driver.title == "A chat that remembers"
        assert not browser.all("main img, main script, main i:not([class])")
        assert EVIL in browser.one("#turns .user .text").text
        hosts = "performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host)"
        assert {*browser.run(f"return {hosts}")} == {server.address.removeprefix("http://")}
        policy = server.http.get("/").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_the_page_asks_for_the_token(browser: Page, memory: Path) -> None:
    with running(memory, "--no-learner", LORA_MEMORY_TOKEN=SECRET) as server:
        browser.driver.get(server.address)
        field = until(lambda: browser.all("dialog[open] #token"))[0]
        for given in ("wrong", SECRET):
            field.send_keys(given, Keys.ENTER)
            time.sleep(0.5)
        until(lambda: browser.one("#model").text)
        assert SECRET not in browser.driver.page_source
        browser.driver.get("about:blank")


def test_turns_are_there_after_a_reload_and_a_mistake_is_shown(
    browser: Page, memory: Path, tmp_path: Path
) -> None:
    with opened(browser, memory, "--no-learner", but="status of 400") as server:
        reply = say(browser, "What is the capital of France?")
        browser.driver.refresh()
        until(lambda: len(browser.all("#turns > li")) == 2)
        assert browser.texts("#turns .text") == ["What is the capital of France?", reply]
        file = tmp_path / "broken.pdf"
        file.write_bytes(b"this is no PDF")
        browser.one("#file").send_keys(str(file))
        until(lambda: "broken.pdf" in browser.one("#notice").text)
        assert server.get("/memory/documents") == []
