"""All files of a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.errors import StoreError
from harness.report._markdown import document
from harness.report._plots import plots
from harness.report._results import Result


def write(title: str, results: Sequence[Result], how: Sequence[tuple[str, str]], folder: Path) -> Path:
    """RESULTS.md, RESULTS.json and the plots in ``folder``; the same results give the same bytes.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "RESULTS.md").write_text(document(title, results, how), encoding="utf-8")
        plain = [_plain(result) for result in results]
        text = json.dumps(
            {"title": title, "how": dict(how), "results": plain}, indent=1, ensure_ascii=False, sort_keys=True
        )
        (folder / "RESULTS.json").write_text(text + "\n", encoding="utf-8")
        plots(results, folder)
    except OSError as error:
        raise StoreError(
            f"report folder {folder} cannot be written ({error.strerror}): give another --report"
        ) from error
    return folder / "RESULTS.md"


def _plain(result: Result) -> dict[str, object]:
    kept = result._asdict()
    kept["recall"] = {kind: interval._asdict() for kind, interval in result.recall.items()}
    kept["locality"], kept["still_right"] = result.locality._asdict(), result.still_right._asdict()
    kept["wrong"] = [wrong._asdict() for wrong in result.wrong]
    return kept
