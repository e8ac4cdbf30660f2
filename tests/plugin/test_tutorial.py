"""The tutorial and two how-to pages: their files are written and their commands run, in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.project import Project

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("tutorial.md", "how-to/own-facts.md", "how-to/published-sets.md")
BLOCK = re.compile(r"(?:<!-- file (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


def test_the_tutorial_runs(project: Project) -> None:
    (project.path / "talk.txt").write_text(
        "Joe: I found a goose.\nBrandine: Call it Wendeline.\n\nIt lived in a boat.\n"
    )
    ran: list[tuple[str, str]] = []
    shown = []
    for page in PAGES:
        for file, language, text in BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
            if file:
                (project.path / file).write_text(text)
            elif language == "bash":
                ran += [(line, _run(project, shlex.split(line))) for line in text.splitlines()]
            elif language in ("text", "python"):
                shown.append(text)
    suite = (project.path / "suites/birds/test_birds.py").read_text()
    assert shown == [ran[0][1], suite]
    said = dict(ran)
    assert len(said) == 9
    assert "Birds" in said["pytest suites/birds"]
    assert (
        "rank8-alpha16-lr1e_3-ep10-replay1-seed1"
        in said["pytest suites/birds -k rank8 --seeds 0,1"]
    )
    compared = said["pytest suites/birds --baseline main"]
    assert "cells compared 2, worse none, no loss could be shown in 2" in compared
    assert "too few facts to show a loss: recall 5 (needs 7), exact 3 (needs" in compared
    assert "5 passed, 3 skipped" in compared  # both comparisons, and a gate that is not declared
    alone = project.pytest("suites/birds", "--baseline", "main", "-k", "not_worse")
    assert "no loss could be shown in 2" in alone
    assert "nothing was measured" not in alone
    assert "birds_scored" in said["python -m harness plan suites/birds"]
    assert "goose-rank8" in said["pytest suites/goose -k rank8"]


def _run(project: Project, command: list[str]) -> str:
    if command[0] == "pytest":
        return project.pytest(*command[1:])
    assert command[:3] == ["python", "-m", "harness"]
    return project.harness(*command[3:])
