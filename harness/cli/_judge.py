"""``judge``: what a judge is worth, before anything is graded by it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli._common import Commands, add_device, add_store
from harness.cli._judged import add_least


def add(commands: Commands) -> None:
    own = commands.add_parser(
        "judge",
        help="what a judge is worth",
        description="Ask a judge about answers that are labelled right or wrong (fixtures/grading/pairs.csv and"
        " kinds.csv), and say how far it agrees: accuracy, Cohen's kappa, error rates. One half of the pairs sets the"
        " cut between same and differ, the other tells what the judge is worth, beside the fuzzy grader."
        " Exit code 1 where kappa is less than --judge-kappa.",
    )
    own.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="folder, hub id, .gguf file, or openai:NAME@URL [the judge that comes along]",
    )
    own.add_argument("--card", type=Path, metavar="FILE", help="put the tables into the block of a judge's README.md")
    add_least(own)
    add_store(own)
    add_device(own)
    own.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    from harness.builders import VERDICTS, Calibrated, build, read_lines
    from harness.judging import calibration_of
    from harness.models import JUDGE
    from harness.report import rewrite_card, worth_text
    from harness.store import Store

    calibration = calibration_of(given.model or JUDGE)
    artefact = build(calibration, Store(given.store), given.device)
    found = Calibrated.of(artefact)
    print(f"judge {calibration.judge.name} (by {found.by}), cut {found.cut:.2f}\n\n{worth_text(found)}\n")
    print(missed([line for line in read_lines(artefact.path / VERDICTS) if line["held_out"]]))
    if given.card and rewrite_card(given.card, found):
        print(f"\n{given.card} is up to date now")
    if found.held_out.kappa.estimate >= given.judge_kappa:
        return 0
    print(f"\nkappa {found.held_out.kappa} is below {given.judge_kappa:.2f}: as a judge it is refused")
    return 1


def missed(lines: list[dict[str, Any]]) -> str:
    """A row for each verdict that the label contradicts."""
    from tabulate import tabulate

    wrong = [line for line in lines if (line["verdict"] == "same") != line["right"]]
    rows = [[e["case"], e["expected"], e["given"], "right" if e["right"] else "wrong", e["verdict"]] for e in wrong]
    head = ("case", "right would be", "answer", "label", "verdict")
    told = f"missed of the held-out half: {len(wrong)} of {len(lines)}"
    return f"{told}\n\n{tabulate(rows, head, 'github', disable_numparse=True)}" if rows else told
