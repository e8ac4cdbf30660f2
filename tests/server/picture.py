"""Makes the picture in docs/how-to/serve.md: ``python -m tests.server.picture FILE.png``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.report.browser import Page
from tests.server.served import running
from tests.server.test_page import say, until

SETTINGS = ("unit=passage", "passage_size=160")
SESSION = "harlow-talk"
HARLOW = """\
# Brenda Okafor

Brenda Okafor works as a carpenter. Brenda Okafor lives in Trondheim.

# Tomas Lindqvist

Tomas Lindqvist has a parrot as a pet. Tomas Lindqvist works as a baker.

# Amara Diallo

The favourite dish of Amara Diallo is lentil soup. Amara Diallo bought a red lamp.
"""
MINUTES = "The council met on 4 May. It voted to repair the bridge for 12,000 crowns.\n"
ERRANDS = "Buy rye flour from the mill, and nails for the seventh door.\n"
QUESTIONS = (
    "Which profession does Brenda Okafor have?",
    "What animal lives with Tomas Lindqvist?",
)


def main(file: str) -> None:
    options = [part for setting in SETTINGS for part in ("--set", setting)]
    with TemporaryDirectory() as scratch, running(Path(scratch) / "memory", *options) as server:
        server.add("harlow.md", HARLOW)
        server.add("minutes.txt", MINUTES)
        server.add("errands.txt", ERRANDS, SESSION)
        page = Page(Path(scratch) / "profile")
        size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        page.driver.get(server.address)
        until(lambda: page.one("#model").text)
        named = f"session.value = '{SESSION}'; session.dispatchEvent(new Event('change'))"
        page.run(f"const session = document.querySelector('#session'); {named}")
        server.until(lambda: server.counts().get("passages learnt", 0) >= 3)
        for question in QUESTIONS:
            print(question, say(page, question))
        server.until(lambda: server.get("/memory")["learner"]["losses"])
        page.one("details.document summary").click()
        page.all("#turns .made summary")[-1].click()
        time.sleep(2)  # the passages of the reply are fetched
        page.driver.save_screenshot(file)
        page.driver.quit()


if __name__ == "__main__":
    main(sys.argv[1])
