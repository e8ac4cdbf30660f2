"""The tables in READMEs, between two comments that mark them as made by a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.builds import Calibrated
from harness.errors import DataError, StoreError
from harness.report._judging import quality_text
from harness.report._markdown import share_columns
from harness.report._results import Result
from harness.report._scenario_report import ScenarioReport
from harness.report._tables import MIB, markdown_table, words

BEGIN, END = "<!-- results -->", "<!-- end of results -->"
IMAGES = Path("docs", "img")
_FRONT = "oscars"
"""The scenario whose table the project's own README shows."""
_FRONT_COLUMNS = ("exact", "rephrased", "locality")
"""What a newcomer is shown first; the suite's own page has every column."""


def rewrite_readmes(reports: Sequence[ScenarioReport], project: Path, folder: Path) -> list[Path]:
    """Put the table and plots of each scenario into its README in ``project``.

    ``folder`` is that of the report, with the plots. The text beside the block stays as it is.
    Returns the files that changed; the same results change none.

    Raises:
        DataError: a README is missing, or has no such block.
        StoreError: a file cannot be written.
    """
    targets = [
        (report, project / "suites" / report.scenario.name / "README.md") for report in reports
    ]
    for report in reports:
        if report.scenario.name == _FRONT:
            targets.append((report, project / "README.md"))
    # All are read first, so that a mistake in one changes no file.
    texts = {file: _read(file) for _, file in targets}
    try:
        changed = []
        for report in reports:
            changed += _images(report, folder, project / IMAGES)
        for report, file in targets:
            front = file.parent == project
            table = front_table(report) if front else compact_table(report.results)
            plots = _plots(report, folder)[: 1 if front else None]
            up = "../" * len(file.relative_to(project).parts[1:])
            text = _replaced(texts[file], _block(report, table, plots, up))
            if text != texts[file]:
                file.write_text(text, encoding="utf-8")
                changed.append(file)
    except OSError as error:
        raise StoreError(
            f"{error.filename} cannot be written ({error.strerror}): give another --project"
        ) from error
    return changed


def rewrite_card(card: Path, calibrated: Calibrated) -> bool:
    """Put the quality of a judge into the block of its ``card``. Returns whether that changed it.

    Raises:
        DataError: the card is missing, or has no such block.
        StoreError: it cannot be written.
    """
    return _rewrite(card, quality_text(calibrated), "--card", "give the card of a judge as --card")


def rewrite_page(reports: Sequence[ScenarioReport], page: Path) -> bool:
    """Put a table of each scenario, with notes, into the block of ``page``.

    Returns whether that changed it. Raises as ``rewrite_card``.
    """
    parts = [
        f"### {report.scenario.title}\n\n{compact_table(report.results)}"
        + "".join(f"\n\n{note[:1].upper()}{note[1:]}." for note in report.cautions)
        for report in reports
    ]
    return _rewrite(page, "\n\n".join(parts), "--into", "give a page as --into")


def _rewrite(file: Path, content: str, option: str, advice: str) -> bool:
    old = _read(file, advice)
    new = _replaced(old, "\n".join([BEGIN, content, END]))
    try:
        if new != old:
            file.write_text(new, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{file} cannot be written ({error.strerror}): give another {option}"
        ) from error
    return new != old


def compact_table(results: Iterable[Result]) -> str:
    """A row for each cell, without intervals; columns without any figure are left out."""
    results = list(results)
    shares = share_columns(results)
    head = ["cell", *map(words, shares), "train s", "MiB"]
    return markdown_table(head, [_row(result, shares) for result in results])


def front_table(report: ScenarioReport) -> str:
    """The bare model, and the cell of each dataset that recalls most by the scenario's headline."""
    headline = report.scenario.headline
    bare = [result for result in report.results if not result.adapted]
    best: dict[str, Result] = {}
    for entry in report.entries:
        name, result = entry.cell.dataset.name, entry.result
        if result.adapted and _figure(result, headline) > _figure(best.get(name), headline):
            best[name] = result
    rows = [_row(result, _FRONT_COLUMNS)[:-1] for result in [*bare[:1], *best.values()]]
    return markdown_table(["cell", *map(words, _FRONT_COLUMNS), "train s"], rows)


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


def _block(report: ScenarioReport, table: str, plots: Sequence[Path], up: str) -> str:
    images = [
        f"![{_caption(report, plot)}]({up}{(IMAGES / plot.name).as_posix()})" for plot in plots
    ]
    return "\n".join([BEGIN, table, *([""] if images else []), *images, END])


def _caption(report: ScenarioReport, plot: Path) -> str:
    name = plot.stem.removeprefix(f"{report.scenario.name}-")
    for curves in (curves for finding in report.findings for curves in finding.curves):
        if curves.name == name:
            return f"{curves.y} over {curves.x}"
    return f"{words(report.scenario.headline)} against {name}"


def _plots(report: ScenarioReport, folder: Path) -> list[Path]:
    """Those of these results; ``folder`` may hold others from before."""
    curves = (curves.name for finding in report.findings for curves in finding.curves)
    names = ("locality", "seconds", *curves)
    files = (folder / f"{report.scenario.name}-{name}.svg" for name in names)
    return [file for file in files if file.exists()]


def _images(report: ScenarioReport, folder: Path, images: Path) -> list[Path]:
    """Copy the plots to ``images``, and remove those without figures now; the changed files."""
    images.mkdir(parents=True, exist_ok=True)
    plots = _plots(report, folder)
    changed = []
    for old in images.glob(f"{report.scenario.name}-*.svg"):
        if old.name not in {plot.name for plot in plots}:
            old.unlink()
            changed.append(old)
    for plot in plots:
        target = images / plot.name
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
            " belongs"
        )
    return text


def _replaced(text: str, block: str) -> str:
    return text.partition(BEGIN)[0] + block + text.partition(END)[2]
