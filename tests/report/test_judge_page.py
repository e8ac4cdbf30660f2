"""What RESULTS.html shows of a judge, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.report import ScenarioReport

pytest.importorskip("selenium", reason="python -m pip install 'selenium>=4.20'")

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from harness.builds import GRADES, GradedLine
from harness.experiments import Grading
from harness.grading import BOTH, FUZZY, JUDGE
from harness.grading.calibration import DIFFER, SAME, UNDECIDED, versus, worth
from harness.grading.judge import calibration_of, labelled
from harness.report import Judging, judging, write
from harness.report._page import contents, page

if TYPE_CHECKING:
    from tests.report.browser import Page

HOSTILE = "<script>document.title = 'broken'</script><img src=x onerror=alert(1)>"
SIGNS = {SAME: "✓ same", DIFFER: "✗ differ", UNDECIDED: "? undecided"}
SAID = {True: "✓ right", False: "✗ wrong"}
WORDS = {True: "right", False: "wrong"}


def verdicts(lines: Iterable[GradedLine], number: int) -> Iterator[dict[str, Any]]:
    """Lines as a judge leaves them who is undecided on the sky, says the opposite of the fuzzy
    grader of the second cell, and agrees else; that cell gives two answers to each question, the
    first to the moon is markup.
    """
    for line in (each.stored() for each in lines):
        if number == 1:
            text = HOSTILE if line["id"] == "exact/moon" else line["answers"][0]
            line |= {
                "answers": [text, "green"],
                "verdicts": [line["right"], True],
                "scores": line["scores"] * 2,
            }
        said = [SAME if right != (number == 1) else DIFFER for right in line["verdicts"]]
        said[0] = UNDECIDED if line["id"] == "locality/sky" else said[0]
        odds = (
            float("nan")
            if said[0] == UNDECIDED
            else (number + 1.5) * (1 if said[0] == SAME else -1)
        )
        by = {"fuzzy": line["right"], "judge": said[0] == SAME}
        yield {**line, "judged": said, "odds": [odds] * len(said), "by": by}


@pytest.fixture(scope="session")
def judged(
    small: ScenarioReport, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> ScenarioReport:
    """``small`` with a judge beside the fuzzy grader."""
    calibration = calibration_of(model_folder)
    pairs = labelled().pairs
    held = worth(pairs, [SAME if pair.right else DIFFER for pair in pairs]).plain()
    labels = [pair.right for pair in pairs]
    compared = [one.plain() for one in versus(pairs, [not label for label in labels], labels)]
    worths = {"tuned": held, "held_out": held, "fuzzy": held}
    facts = {"by": "log-likelihood", "cut": 0.0, **worths, "beside": FUZZY, "versus": compared}
    made: dict[Any, Any] = {calibration: SimpleNamespace(manifest=SimpleNamespace(facts=facts))}
    entries = []
    for number, entry in enumerate(small.entries):
        cell = replace(entry.cell, grading=Grading(BOTH, calibration))
        grades = cell.bare_grades if entry.result.bare else cell.grades
        folder = tmp_path_factory.mktemp("graded")
        lines = (json.dumps(line) for line in verdicts(entry.lines(), number))
        (folder / GRADES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        made[grades] = SimpleNamespace(path=folder)
        result = entry.result._replace(cell=cell)
        entries.append(replace(entry, result=result, grades=grades, folder=folder))
    found = judging([entry.cell for entry in entries if not entry.result.bare], made.__getitem__)
    return small._replace(entries=entries, judging=found)


def judging_of(report: ScenarioReport) -> Judging:
    assert report.judging is not None
    return report.judging


@pytest.fixture(scope="session")
def report(
    judged: ScenarioReport, small: ScenarioReport, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A scenario with a judge, and one without."""
    other = small._replace(scenario=replace(small.scenario, name="other", title="Another"))
    return write([judged, other], tmp_path_factory.mktemp("judged")).with_suffix(".html")


@pytest.fixture
def shown(browser: Page, report: Path) -> Iterator[Page]:
    with browser.quietly(report) as found:
        yield found


def column(shown: Page, table: str, number: int) -> list[str]:
    return shown.texts(f"{table} tbody tr > :nth-child({number})")


def choose(shown: Page, selector: str, value: str) -> None:
    Select(shown.one(selector)).select_by_value(value)


def test_what_it_is_worth_and_recall_by_grader(shown: Page, judged: ScenarioReport) -> None:
    found = judging_of(judged)
    told = shown.one("#judge-text").text
    assert f"On held-out labelled pairs: {found.calibrated.held_out}." in told
    assert "the fuzzy grader is the better grader." in told
    assert (
        "WARNING: verdicts of this judge are not to be relied on: the fuzzy grader is better"
        in told
    )
    assert f"agrees with the fuzzy grader with kappa {found.kappa}" in told
    rows = [
        [cell.text for cell in row.find_elements("css selector", "td")]
        for row in shown.all("#seen tbody tr")
    ]
    assert rows == [
        [one.kind, str(one.fuzzy), str(one.judge), str(one.corrected)] for one in found.seen
    ]


def test_headings_sort_by_keyboard(shown: Page) -> None:
    shown.tab_to("#seen thead button[data-key='sort judge, corrected']")
    for order in ("descending", "ascending"):
        shown.press(Keys.ENTER)  # the focus stays on the heading
        assert shown.one(f"#seen th[aria-sort={order}]").text.startswith("judge, corrected")
        values = [float(text.split()[0]) for text in column(shown, "#seen", 5)]
        assert values == sorted(values, reverse=order == "descending")
        assert len(set(values)) > 1
    shown.tab_to("#disputes thead button[data-key='sort answer']")
    shown.press(Keys.ENTER, Keys.ENTER)
    answers = column(shown, "#disputes", 4)
    assert answers == shown.run(
        f"return {json.dumps(answers)}.sort(new Intl.Collator('en', {{numeric: true}}).compare)"
    )


def test_the_filter_of_cells_and_the_kinds_narrow_both_tables(
    shown: Page, judged: ScenarioReport
) -> None:
    own = judged.entries[1].cell.id
    shown.one("#filter").send_keys("rank4")
    rest = {"tiny (no adapter)", judged.entries[2].cell.id}
    assert len(shown.all("#seen tbody tr")) == sum(
        one.cell in rest for one in judging_of(judged).seen
    )
    assert len(shown.all("#disputes tbody tr")) == sum(
        bool({*one.cells} & rest) for one in judging_of(judged).disputes
    )
    shown.run(f"change({{filter: '{own}'}})")
    choose(shown, "#seen-kind", "rephrased")
    assert set(column(shown, "#seen", 2)) == {"rephrased"}
    choose(shown, "#dispute-kind", "exact")
    assert set(column(shown, "#disputes", 1)) == {"exact"}


def test_disputes_show_what_was_asked_and_said_and_markup_stays_text(
    shown: Page, judged: ScenarioReport
) -> None:
    found = judging_of(judged).disputes
    assert shown.one("#disputed").text.startswith(f"{len(found)} of {len(found)} answers")
    shown.one("#dispute-search").send_keys("</SCRIPT>")
    [one] = [one for one in found if one.answer == HOSTILE]
    row = [
        cell.text
        for cell in shown.all("#disputes tbody td")
        if "moon is" in shown.one("#disputes tbody tr").text
    ]
    assert [HOSTILE in text for text in column(shown, "#disputes", 4)].count(True) == 1
    assert [one.kind, one.prompt, one.accepted, HOSTILE, SAID[one.fuzzy], SIGNS[one.judge]] == row[
        :6
    ]
    assert shown.all("main script, main img") == []
    assert shown.driver.title != "broken"


@pytest.mark.parametrize(
    ("who", "holds"),
    [
        ("judge", lambda one: one.judge == SAME and not one.fuzzy),
        ("fuzzy", lambda one: one.judge == DIFFER and one.fuzzy),
        ("undecided", lambda one: one.judge == UNDECIDED),
    ],
)
def test_disputes_by_who_says_right(
    shown: Page, judged: ScenarioReport, who: str, holds: Callable[..., Any]
) -> None:
    choose(shown, "#dispute-who", who)
    wanted = [(WORDS[one.fuzzy], one.judge) for one in judging_of(judged).disputes if holds(one)]
    pairs = zip(column(shown, "#disputes", 5), column(shown, "#disputes", 6), strict=True)
    assert sorted(tuple(text.split()[1] for text in pair) for pair in pairs) == sorted(wanted)


def test_more_disputes_and_which_cells_gave_them_by_keyboard(
    shown: Page, judged: ScenarioReport
) -> None:
    shown.run("change({judge: {...state.judge, disputes: {...state.judge.disputes, listed: 2}}})")
    assert len(shown.all("#disputes tbody tr")) == 2
    shown.tab_to("#more-disputes")
    shown.press(Keys.ENTER)
    assert len(shown.all("#disputes tbody tr")) == len(judging_of(judged).disputes)
    assert shown.driver.switch_to.active_element == shown.all("#disputes tbody tr")[2]
    shown.tab_to("#disputes .count")
    shown.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert len(shown.all("#tip div")) == len(judging_of(judged).disputes[2].cells)


def test_each_answer_bears_both_verdicts(shown: Page, judged: ScenarioReport) -> None:
    shown.one("#question-search").send_keys("</script>")
    shown.run(
        "document.querySelectorAll('#questions button.question').forEach((button) =>"
        " button.click())"
    )
    for at, name in enumerate(shown.texts(".answer .id")):
        lines = [line for entry in judged.entries for line in entry.lines() if line.id == name]
        wanted = [
            f"fuzzy {SAID[fuzzy]}\njudge {SIGNS[judge]}"
            for line in lines
            for fuzzy, judge in zip(line.verdicts, line.judged, strict=True)
        ]
        found = shown.all(".answer")[at].find_elements("css selector", ".said .graders")
        assert [one.text for one in found] == wanted
    assert shown.all("main script, main img") == []


def test_a_scenario_without_a_judge_shows_none(shown: Page) -> None:
    assert shown.one("#judge").is_displayed()
    shown.all("#scenarios a")[1].click()
    assert not shown.one("#judge").is_displayed()
    shown.all("#questions button")[0].click()
    assert shown.all(".said")
    assert shown.all(".graders") == []


def test_where_the_judge_counts_the_fuzzy_verdicts_on_further_answers_are_not_known(
    judged: ScenarioReport,
) -> None:
    entries = [
        replace(entry, grades=replace(entry.grades, grader=JUDGE)) for entry in judged.entries
    ]
    [found] = contents([judged._replace(entries=entries)])
    assert found["cells"][0]["by"]["fuzzy"] == "".join(
        str(int(line.right)) for line in judged.entries[0].lines()
    )
    assert found["cells"][1]["by"]["fuzzy"] == [
        f"{line.right:d}-" for line in judged.entries[1].lines()
    ]


def test_a_page_without_a_judge_has_nothing_of_it(small: ScenarioReport) -> None:
    assert "judge" not in page([small]).lower()


@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits_its_window(browser: Page, report: Path, width: int) -> None:
    browser.open(report, width)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.mistakes() == []
