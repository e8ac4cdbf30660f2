"""Tables in READMEs, rewritten from results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.report import ScenarioReport, rewrite_page, rewrite_readmes, write

BLOCK = "# Small\n\nBefore.\n\n<!-- results -->\nold\n<!-- end of results -->\n\nAfter.\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "suites" / "small").mkdir(parents=True)
    (tmp_path / "suites" / "small" / "README.md").write_text(BLOCK, encoding="utf-8")
    return tmp_path


def test_the_block_is_rewritten_and_nothing_else(
    small: ScenarioReport, folder: Path, project: Path
) -> None:
    write([small], folder)
    file = project / "suites" / "small" / "README.md"
    changed = rewrite_readmes([small], project, folder)
    text = file.read_text(encoding="utf-8")
    plots = [project / "docs" / "img" / f"small-{name}.svg" for name in ("locality", "seconds")]
    assert changed == [*plots, file]
    assert text.startswith("# Small\n\nBefore.\n\n<!-- results -->\n| cell")
    assert text.endswith("\n<!-- end of results -->\n\nAfter.\n")
    assert "![rephrased against locality](../../docs/img/small-locality.svg)" in text
    assert all(
        (file.parent / f"../../docs/img/{plot.name}").read_bytes() == plot.read_bytes()
        for plot in plots
    )
    learnt = next(r for r in small.results if r.status == "ok")
    row = next(line for line in text.splitlines() if learnt.id in line)
    cells = [part.strip() for part in row.strip("|").split("|")]
    assert cells[:2] == [learnt.id, f"{learnt.recall['exact'].estimate:.2f}"]


def test_again_changes_nothing(small: ScenarioReport, folder: Path, project: Path) -> None:
    write([small], folder)
    rewrite_readmes([small], project, folder)
    assert rewrite_readmes([small], project, folder) == []


def test_a_plot_of_figures_that_are_no_more_goes(
    small: ScenarioReport, folder: Path, project: Path
) -> None:
    write([small], folder)
    old = project / "docs" / "img" / "small-old.svg"
    old.parent.mkdir(parents=True)
    old.write_text("<svg/>")
    assert old in rewrite_readmes([small], project, folder)
    assert not old.exists()


def test_the_front_page_shows_oscars(small: ScenarioReport, folder: Path, project: Path) -> None:
    oscars = small._replace(scenario=replace(small.scenario, name="oscars"))
    (project / "README.md").write_text(BLOCK, encoding="utf-8")
    (project / "suites" / "oscars").mkdir()
    (project / "suites" / "oscars" / "README.md").write_text(BLOCK, encoding="utf-8")
    write([oscars], folder)
    rewrite_readmes([oscars], project, folder)
    text = (project / "README.md").read_text(encoding="utf-8")
    assert "](docs/img/oscars-locality.svg)" in text
    head, _, *rows = [line for line in text.splitlines() if line.startswith("|")]
    assert head.startswith("| cell ")
    assert head.count("|") == 6, "five columns"
    datasets = {entry.cell.dataset.name for entry in oscars.entries}
    assert len(rows) == 1 + len(datasets), "the bare model, and the best cell of each dataset"
    assert "oscars-seconds" not in text


@pytest.mark.parametrize(
    "text", ["no markers", BLOCK + BLOCK, "<!-- end of results -->\n<!-- results -->", None]
)
def test_a_readme_without_its_block_is_one_line_and_changes_nothing(
    small: ScenarioReport, folder: Path, project: Path, text: str | None
) -> None:
    write([small], folder)
    file = project / "suites" / "small" / "README.md"
    file.unlink() if text is None else file.write_text(text, encoding="utf-8")
    with pytest.raises(
        DataError, match=r"README\.md (has no block between|cannot be read)"
    ) as caught:
        rewrite_readmes([small], project, folder)
    assert "\n" not in str(caught.value)
    assert not (project / "docs").exists()


def test_tables_and_cautions_of_any_report_go_into_a_page(
    small: ScenarioReport, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(BLOCK, encoding="utf-8")
    noted = small._replace(
        entries=tuple(
            replace(
                entry,
                result=entry.result._replace(
                    cell=replace(entry.result.cell, note="it knows 3 of 4")
                ),
            )
            for entry in small.entries
        )
    )
    assert rewrite_page([noted], page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Small\n\nBefore.\n\n<!-- results -->\n### {small.scenario.title}\n")
    assert text.endswith("\n\nIt knows 3 of 4.\n<!-- end of results -->\n\nAfter.\n")
    assert all(result.id in text for result in small.results)
    assert not rewrite_page([noted], page)


def test_a_page_without_a_block_is_a_mistake(small: ScenarioReport, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    with pytest.raises(DataError, match="give a page as --into"):
        rewrite_page([small], page)
    page.write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no block"):
        rewrite_page([small], page)
