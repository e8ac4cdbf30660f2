"""All files of a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.errors import StoreError
from harness.report._markdown import Part, document
from harness.report._plots import draw, plots
from harness.report._results import Result


def write(parts: Sequence[Part], folder: Path) -> Path:
    """RESULTS.md, RESULTS.json and the plots in ``folder``; the same results give the same bytes.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = {part.scenario.name: plots(part.scenario, part.results, folder) for part in parts}
        for part in parts:
            draw(part.scenario, part.findings, folder)
        (folder / "RESULTS.md").write_text(document(parts, drawn), encoding="utf-8")
        text = json.dumps(_plain(parts), indent=1, ensure_ascii=False, sort_keys=True)
        (folder / "RESULTS.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"report folder {folder} cannot be written ({error.strerror}): give another --report"
        ) from error
    return folder / "RESULTS.md"


def _plain(parts: Sequence[Part]) -> dict[str, object]:
    scenarios = [
        {
            "name": p.scenario.name,
            "title": p.scenario.title,
            "how": dict(p.how),
            "findings": [{"title": f.title, "text": f.text, "said": f.said} for f in p.findings],
        }
        for p in parts
    ]
    return {"scenarios": scenarios, "results": [_result(result) for part in parts for result in part.results]}


def _result(result: Result) -> dict[str, object]:
    """Intervals as objects, by name; what is there for adapted models only is left out elsewhere."""
    kept = result._asdict()
    for name in ("recall", "measures"):
        kept[name] = {kind: interval._asdict() for kind, interval in kept[name].items()}
    for name in ("known", "locality", "still_right"):
        kept[name] = kept[name]._asdict() if kept[name] else None
    kept["wrong"] = [wrong._asdict() for wrong in result.wrong]
    return kept
