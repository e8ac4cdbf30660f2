"""All files of a report."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from harness.errors import StoreError
from harness.report._database import write_database
from harness.report._judging import judging_plain
from harness.report._markdown import document
from harness.report._page import page
from harness.report._parts import Part
from harness.report._plots import draw, plots
from harness.report._results import Result
from harness.stats import Interval

DATABASE = "results.sqlite"


def write(parts: Sequence[Part], folder: Path) -> Path:
    """RESULTS.md, .html and .json, results.sqlite and the plots in ``folder``; the same results give the same bytes.

    Each file is replaced as a whole: whoever reads one, or ends this session, never meets half of it.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = {part.scenario.name: plots(part.scenario, part.results, folder) for part in parts}
        for part in parts:
            draw(part.scenario, part.findings, folder)
        texts = {
            "RESULTS.md": document(parts, drawn),
            "RESULTS.html": page(parts),
            "RESULTS.json": json.dumps(_plain(parts), indent=1, ensure_ascii=False, sort_keys=True) + "\n",
        }
        for name, text in texts.items():
            _replace(folder / name, partial(_put, text))
        _replace(folder / DATABASE, partial(write_database, parts))
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"report folder {folder} cannot be written ({reason}): give another --report") from error
    return folder / "RESULTS.md"


def _put(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(path: Path, write_to: Callable[[Path], object]) -> None:
    """Let ``write_to`` make a new file, and move it to ``path`` when it is whole."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as private:
        made = Path(private) / path.name
        write_to(made)
        made.replace(path)


def _plain(parts: Sequence[Part]) -> dict[str, object]:
    scenarios = [_scenario(part) for part in parts]
    return {"scenarios": scenarios, "results": [_result(result) for part in parts for result in part.results]}


def _scenario(part: Part) -> dict[str, object]:
    judged = {"judging": judging_plain(part.judging)} if part.judging else {}
    compared = [{**one._asdict(), "difference": one.difference._asdict()} for one in part.compared]
    for one in compared:
        one["detectable"] = one["detectable"] if one["detectable"] == one["detectable"] else None
    own: dict[str, object] = {"name": part.scenario.name, "title": part.scenario.title, "how": dict(part.how)}
    own["findings"] = [{"title": f.title, "text": f.text, "said": f.said} for f in part.findings]
    return {**own, "comparisons": compared, **judged}


def _result(result: Result) -> dict[str, object]:
    """Intervals as objects, by name; what is there for adapted models only is left out elsewhere."""
    kept = {name: value for name, value in result._asdict().items() if name != "marks"}
    for name in ("recall", "measures"):
        kept[name] = {kind: _interval(found) for kind, found in kept[name].items()}
    for name in ("known", "locality", "still_right"):
        kept[name] = kept[name]._asdict() if kept[name] else None
    kept["wrong"] = [wrong._asdict() for wrong in result.wrong]
    return kept


def _interval(found: Interval) -> dict[str, float | None]:
    """Ends that are open are null: JSON has no infinity."""
    low, high = found.ends
    return {"estimate": found.estimate, "low": low, "high": high}
