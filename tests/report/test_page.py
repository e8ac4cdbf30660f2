"""RESULTS.html in a real browser, without a network."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.report import ScenarioReport
from tests.report.conftest import Home

pytest.importorskip("selenium", reason="python -m pip install 'selenium>=4.20'")

from selenium.webdriver.common.keys import Keys

from harness.builds import GRADES, GradedLine
from harness.data.awards import probes
from harness.grading import grade
from harness.report import against, write
from harness.report._page import page
from harness.report.baselines import Baseline, BaselineCell, Limits

if TYPE_CHECKING:
    from tests.report.browser import Page

ROWS = "#table tbody.own tr"


@pytest.fixture(scope="session")
def report(small: ScenarioReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenarios, the first of which has a baseline in which everything was right."""
    cells = {
        entry.cell.name: BaselineCell("ok", {line.id: True for line in entry.lines()}, {})
        for entry in small.entries
        if not entry.result.bare
    }
    first = against(small, Baseline("v1", "small", "tiny", "", "", {}, cells), Limits())
    other = small._replace(
        scenario=replace(small.scenario, name="other", title="Another"), entries=small.entries[:2]
    )
    return write([first, other], tmp_path_factory.mktemp("page")).with_suffix(".html")


@pytest.fixture
def shown(browser: Page, report: Path) -> Iterator[Page]:
    """The page, as one finds it."""
    with browser.quietly(report) as page:
        yield page


def figures(shown: Page, number: int) -> list[float]:
    return [
        float(row.find_elements("css selector", "td .figure")[number].text)
        for row in shown.all(ROWS)
    ]


def test_headings_sort_by_keyboard(shown: Page) -> None:
    heading = shown.tab_to("#table thead button[data-key='sort exact']")
    assert heading.find_element("xpath", "..").get_attribute("aria-sort") == "none"
    shown.press(Keys.ENTER)
    assert shown.one("#table th[aria-sort=descending]").text.startswith("exact")
    down = figures(shown, 0)
    assert down == sorted(down, reverse=True)
    shown.press(Keys.ENTER)  # the focus is still on the heading
    assert shown.one("#table th[aria-sort=ascending]").text.startswith("exact")
    assert figures(shown, 0) == down[::-1]
    assert down[0] > down[-1]


def test_cells_are_filtered_as_by_pytest(shown: Page, home: Home) -> None:
    shown.one("#filter").send_keys("rank8 and not lr1e_2")
    assert [row.get_attribute("data-cell") for row in shown.all(ROWS)] == [home.cells[2].id]
    assert shown.one("#shown").text == "1 of 3 cells"
    assert len(shown.all("#scatter .point")) == 1
    shown.one("#filter").send_keys(" or rank4")
    assert shown.one("#shown").text == "2 of 3 cells"


def test_a_question_opens_by_keyboard_and_answers_are_text(
    shown: Page, small: ScenarioReport
) -> None:
    shown.one("#question-search").send_keys("</script>")
    assert shown.texts("#found")[0].startswith("1 of 6 questions")
    question = shown.tab_to("#questions button.question")
    assert question.get_attribute("aria-expanded") == "false"
    shown.press(Keys.ENTER)
    assert question.get_attribute("aria-expanded") == "true"
    assert "What </script> colour has the moon?" in shown.one(".answer pre").text
    lines = [
        line for entry in small.entries for line in entry.lines() if line.id == "rephrased/moon"
    ]
    said = [cell.text.strip() for cell in shown.all(".answers .said")]
    assert said == [line.answer.strip() or "(nothing)" for line in lines]
    marks = [mark.text[0] for mark in shown.all(".answers .verdict")]
    assert marks == ["✓" if line.right else "✗" for line in lines]
    shown.press(Keys.ENTER)
    assert shown.all(".answers") == []


def test_questions_by_kind_and_by_what_became_of_them(shown: Page, small: ScenarioReport) -> None:
    own = small.entries[1]
    bare = {line.id: line.right for line in small.entries[0].lines()}
    shown_as: tuple[tuple[str, Callable[[GradedLine], bool]], ...] = (
        ("won", lambda line: line.right and not bare[line.id]),
        ("wrong", lambda line: not line.right),
        ("lost baseline", lambda line: not line.right),  # all were right in it
    )
    for name, holds in shown_as:
        shown.run(f"change({{questions: {{search: '', kind: '', cell: '1', show: '{name}'}}}})")
        wanted = [line.id for line in own.lines() if holds(line)]
        keys = [button.get_attribute("data-key") for button in shown.all("#questions button")]
        assert keys == [f"question {one}" for one in wanted], name
    shown.run("change({questions: {search: '', kind: 'exact', cell: '', show: 'all'}})")
    assert len(shown.all("#questions li")) == 2


def test_the_theme_follows_the_system_until_it_is_chosen(browser: Page, report: Path) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    browser.open(report, dark=False)
    browser.run("localStorage.clear()")
    browser.open(report, dark=False)
    light = browser.run(ground)
    browser.open(report, dark=True)
    dark = browser.run(ground)
    assert light != dark
    assert browser.one("#theme").text == "Theme: system"
    browser.open(report, dark=False)
    browser.tab_to("#theme")
    browser.press(Keys.ENTER)
    assert browser.run(ground) == dark
    browser.open(report, dark=False)
    assert browser.run(ground) == dark  # it was kept
    browser.run("localStorage.clear()")
    assert browser.mistakes() == []


def test_points_explain_themselves_and_pin_by_keyboard(shown: Page, home: Home) -> None:
    point = shown.tab_to("#scatter .point")
    assert shown.one("#tip").is_displayed()
    assert "locality" in shown.one("#tip").text
    shown.press(Keys.ARROW_RIGHT)
    assert shown.driver.switch_to.active_element != point
    shown.press(Keys.ENTER)
    pinned = shown.one(f"{ROWS}.pinned").get_attribute("data-cell")
    assert shown.driver.switch_to.active_element.get_attribute("data-key") == f"point {pinned}"
    shown.press(Keys.ESCAPE)
    assert not shown.one("#tip").is_displayed()
    assert shown.all("#scatter .best")
    shown.one("#unpin").click()
    assert shown.all(".pinned") == []


def test_the_grid_shows_means_over_what_its_axes_leave_out(
    shown: Page, small: ScenarioReport
) -> None:
    own = [entry for entry in small.entries if entry.result.adapted]
    shown.run("change({heat: {rows: 'dataset', columns: 'rank', figure: 'exact'}})")
    assert shown.texts("#heat thead tr:last-child th")[1:] == ["4", "8"]
    mean = sum(e.result.recall["exact"].estimate for e in own if e.cell.training.rank == 8) / 2
    assert shown.texts("#heat .tile") == [
        f"{own[1].result.recall['exact'].estimate:.2f}",
        f"{mean:.2f}\n\N{MULTIPLICATION SIGN}2",
    ]


def test_the_baseline_stands_beside(shown: Page) -> None:
    assert shown.one("#against-head").text == "Against baseline v1"
    rows = [
        [cell.text for cell in row.find_elements("css selector", "td")]
        for row in shown.all("#changes tbody tr")
    ]
    assert ["exact", "1.00"] in [row[:2] for row in rows]


def test_another_scenario(shown: Page) -> None:
    shown.all("#scenarios a")[1].click()
    assert shown.one("#title").text == "Another"
    assert len(shown.all(ROWS)) == 1
    assert not shown.one("#against").is_displayed()


@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits_its_window(browser: Page, report: Path, width: int) -> None:
    browser.open(report, width)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert all(
        browser.run(
            "return [...document.querySelectorAll('button')].filter(b => b.offsetParent)"
            ".map(b => Boolean(b.textContent.trim()))"
        )
    )


def test_ten_cells_of_800_questions_are_small_and_quick(
    small: ScenarioReport, browser: Page, tmp_path: Path
) -> None:
    rng = random.Random(0)
    asked = [*probes("oscars_aug").probes, *probes("oscarstxt").probes][:800]
    names = [probe.accepted[0] for probe in asked]
    entries = []
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        with (folder / GRADES).open("w", encoding="utf-8") as stream:
            for at, probe in enumerate(asked):
                text = (
                    probe.accepted[0]
                    if rng.random() < 0.5
                    else f"{rng.choice(names)} {rng.randrange(99)}"
                )
                verdict = grade(text, probe.accepted)
                line = GradedLine(
                    f"{at}/{probe.id}",
                    probe.kind,
                    probe.fact,
                    probe.prompt,
                    probe.accepted,
                    answers=(text,),
                    verdicts=(verdict.right,),
                    right=verdict.right,
                    scores=(verdict.score,),
                    read_as=("text",),
                )
                stream.write(json.dumps(line.stored()) + "\n")
        own = small.entries[1]
        cell = replace(own.cell, given_id=f"{own.cell.id}-{number}")
        entries.append(replace(own, folder=folder, result=own.result._replace(cell=cell)))
    text = page([small._replace(entries=entries)])
    assert len(text.encode()) < 1_000_000
    (tmp_path / "large.html").write_text(text, encoding="utf-8")
    browser.open(tmp_path / "large.html")
    assert browser.texts("#counts") == ["10 cells, 800 questions, 8,000 answers"]
    assert browser.mistakes() == []


def test_the_page_holds_no_address_of_anything_outside(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    allowed = "http://www.w3.org/2000/svg"
    assert "default-src 'none'" in text
    assert "http" not in text.replace(allowed, "").replace("http-equiv", "")
    assert text.count("</script>") == 2
