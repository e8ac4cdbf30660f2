"""The tables in READMEs, between two comments that mark them as made by a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tabulate import tabulate

from harness.builds import Calibrated
from harness.errors import DataError, StoreError
from harness.report._judging import quality_text
from harness.report._markdown import columns
from harness.report._results import Result
from harness.report._scenario_report import ScenarioReport
from harness.report._tables import MIB, words

BEGIN, END = "<!-- results -->", "<!-- end of results -->"
IMAGES = Path("docs", "img")
_FRONT = "oscars"
"""The scenario whose table the project's own README shows."""
_FRONT_COLUMNS = ("exact", "rephrased", "locality")
"""What a newcomer is shown first; the suite's own page has every column."""


def rewrite_readmes(parts: Sequence[ScenarioReport], project: Path, report: Path) -> list[Path]:
    """Put the table and plots of each scenario into its README in ``project``, and say which files
    changed.

    ``report`` holds the plots. What stands beside the block stays, and the same results change
    nothing.

    Raises:
        DataError: a README is not there, or has no such block.
        StoreError: one cannot be written.
    """
    files = {
        part.scenario.name: project / "suites" / part.scenario.name / "README.md" for part in parts
    }
    front = [part for part in parts if part.scenario.name == _FRONT]
    asked = [
        *((part, files[part.scenario.name]) for part in parts),
        *((part, project / "README.md") for part in front),
    ]
    texts = {
        file: _read(file) for _, file in asked
    }  # all of them first, so that a mistake changes no file
    try:
        changed = [image for part in parts for image in _images(part, report, project / IMAGES)]
        for part, file in asked:
            in_front = file.parent == project
            table = front_table(part) if in_front else compact_table(part.results)
            plots = _plots(part, report)[: 1 if in_front else None]
            up = "../" * len(file.relative_to(project).parts[1:])
            text = _replaced(texts[file], _block(part, table, plots, up))
            if text != texts[file]:
                file.write_text(text, encoding="utf-8")
                changed.append(file)
    except OSError as error:
        raise StoreError(
            f"{error.filename} cannot be written ({error.strerror}): give another --project"
        ) from error
    return changed


def rewrite_card(card: Path, found: Calibrated) -> bool:
    """Put what a judge is worth into the block of its ``card``, and say whether that changed it.

    Raises:
        DataError: the card is not there, or has no such block.
        StoreError: it cannot be written.
    """
    text = _read(card, "give the card of a judge as --card")
    own = _replaced(text, "\n".join([BEGIN, quality_text(found), END]))
    try:
        if own != text:
            card.write_text(own, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{card} cannot be written ({error.strerror}): give another --card"
        ) from error
    return own != text


def compact_table(results: Iterable[Result]) -> str:
    """A row a cell, without intervals; columns in which no cell has a figure are left out."""
    found = list(results)
    shown = [
        *columns(found),
        *(
            name
            for name in ("locality", "retained_accuracy")
            if any(name in r.shares() for r in found)
        ),
    ]
    rows = [_row(result, shown) for result in found]
    head = ["cell", *map(words, shown), "train s", "MiB"]
    return str(tabulate(rows, head, "github", disable_numparse=True))


def front_table(part: ScenarioReport) -> str:
    """The bare model, and the cell of each dataset that recalls most by the scenario's headline."""
    headline = part.scenario.headline
    bare = [result for result in part.results if not result.adapted]
    best: dict[str, Result] = {}
    for entry in part.entries:
        name, result = entry.cell.dataset.name, entry.result
        if result.adapted and _figure(result, headline) > _figure(best.get(name), headline):
            best[name] = result
    rows = []
    for result in [*bare[:1], *best.values()]:
        *figures, seconds, _ = _row(result, _FRONT_COLUMNS)
        rows.append([*figures, seconds])
    head = ["cell", *map(words, _FRONT_COLUMNS), "train s"]
    return str(tabulate(rows, head, "github", disable_numparse=True))


def _figure(result: Result | None, name: str) -> float:
    """-1 where there is no such result, or it has no such figure."""
    share = result.shares().get(name) if result else None
    return share.estimate if share else -1.0


def _row(result: Result, shown: Sequence[str]) -> list[str]:
    shares, cost = result.shares(), result.cost
    figures = [f"{shares[name].estimate:.2f}" if name in shares else "" for name in shown]
    seconds = f"{cost['seconds']:.0f}" if "seconds" in cost else ""
    size = f"{cost['adapter_bytes'] / MIB:.1f}" if "adapter_bytes" in cost else ""
    return [result.id, *figures, "diverged" if result.status == "diverged" else seconds, size]


def _block(part: ScenarioReport, table: str, plots: Sequence[Path], up: str) -> str:
    images = [f"![{_caption(part, plot)}]({up}{(IMAGES / plot.name).as_posix()})" for plot in plots]
    return "\n".join([BEGIN, table, *([""] if images else []), *images, END])


def _caption(part: ScenarioReport, plot: Path) -> str:
    name = plot.stem.removeprefix(f"{part.scenario.name}-")
    own = {
        curves.name: f"{curves.y} over {curves.x}"
        for finding in part.findings
        for curves in finding.curves
    }
    return own.get(name, f"{words(part.scenario.headline)} against {name}")


def _plots(part: ScenarioReport, report: Path) -> list[Path]:
    """Those that belong to these results; the folder may hold others from before."""
    curves = (curves.name for finding in part.findings for curves in finding.curves)
    found = (
        report / f"{part.scenario.name}-{name}.svg" for name in ("locality", "seconds", *curves)
    )
    return [path for path in found if path.exists()]


def _images(part: ScenarioReport, report: Path, folder: Path) -> list[Path]:
    """The plots, copied to where the READMEs look; those of figures that are no more go."""
    folder.mkdir(parents=True, exist_ok=True)
    found = _plots(part, report)
    changed = []
    for old in folder.glob(f"{part.scenario.name}-*.svg"):
        if old.name not in {plot.name for plot in found}:
            old.unlink()
            changed.append(old)
    for plot in found:
        target = folder / plot.name
        if not target.exists() or target.read_bytes() != plot.read_bytes():
            shutil.copyfile(plot, target)
            changed.append(target)
    return changed


def _read(file: Path, advice: str = "give the checkout's folder as --project") -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): {advice}") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(
            f"{file} has no block between {BEGIN} and {END}: put these two lines where its table"
            " goes"
        )
    return text


def _replaced(text: str, block: str) -> str:
    return text.partition(BEGIN)[0] + block + text.partition(END)[2]
