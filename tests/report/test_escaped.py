"""What a model says is shown, and is never markup."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # rich brings it
from tabulate import tabulate

from harness.report import ScenarioReport, escaped
from harness.report._markdown import document
from harness.report._results import Wrong

HOSTILE = (
    "![x](http://evil.example/a) <img src=x>\r\n| <unk> &lt; _a_ **b** `c` ~~d~~"
    " <http://evil.example> \\| \\"
)


class Shown(HTMLParser):
    """Texts of all cells of a page's tables, and the tags within them."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self._within = False
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._within:
            self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            self._within = True

    def handle_endtag(self, tag: str) -> None:
        self._within = self._within and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._within:
            self.cells[-1] += data


@example(said=HOSTILE)
@given(said=st.text("ab !()/:#-+.|<>&;*_~`[]\\\"'\n\r\x0b\x85\u2028", max_size=30))
def test_a_cell_shows_any_text_as_it_is(said: str) -> None:
    shown = Shown(
        tabulate([[escaped(said), "end"]], ("answer", ""), "github", disable_numparse=True)
    )
    assert shown.cells == ["answer", "", " ⏎ ".join(said.strip().splitlines()), "end"]
    assert not shown.tags


def test_answers_questions_and_facts_of_a_report(small: ScenarioReport) -> None:
    wrong = Wrong("exact", f"{HOSTILE}?", HOSTILE, f"the {HOSTILE}")
    entries = [
        replace(e, result=e.result._replace(wrong=(wrong,), facts={HOSTILE.replace("/", ""): 0.5}))
        for e in small.entries
    ]
    text = document([small._replace(entries=entries)], {small.scenario.name: []})
    shown = Shown(text)
    line = " ⏎ ".join(HOSTILE.splitlines())
    assert {line, f"{line}?", f"the {line}", line.replace("/", "")} <= set(shown.cells)
    assert not shown.tags
    assert small.results[-1].id in text
