"""``judge``: what a judge is worth, before anything is graded by it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli._common import Answered, Commands, add_device, add_store
from harness.grading import FUZZY, GRADERS, LEAST_KAPPA

if TYPE_CHECKING:
    from harness.builds import Calibrated, Judged


class Bench(NamedTuple):
    """A judge that may judge."""

    worth: str
    """What it is worth, in a line each: figures, the better grader, doubts."""
    found: Calibrated
    verdicts: list[Judged]
    """One for each answer."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """``--grader``, ``--judge`` and what belongs to them."""
    parser.add_argument(
        "--grader",
        choices=tuple(GRADERS),
        help=(
            "whose verdicts count; both: fuzzy, with the judge's beside [fuzzy; judge where --judge"
            " is given]"
        ),
    )
    shown = "folder, hub id, .gguf file, or openai:NAME@URL [the one that comes along]"
    parser.add_argument("--judge", metavar="MODEL", help=shown)
    add_least(parser)
    parser.add_argument(
        "--allow-weak-judge", action="store_true", help="go on with a judge below --judge-kappa"
    )
    add_store(parser)
    add_device(parser)


def add_least(parser: argparse.ArgumentParser) -> None:
    """``--judge-kappa``."""
    parser.add_argument(
        "--judge-kappa",
        type=float,
        default=LEAST_KAPPA,
        metavar="X",
        help=(
            f"least agreement of the judge with people, on held-out labelled pairs [{LEAST_KAPPA}]"
        ),
    )


def bench(given: argparse.Namespace, answers: Sequence[Answered]) -> Bench | None:
    """The judge's verdicts on ``answers``; None where none is asked. Raises ModelError on one that
    is too weak."""
    grader = given.grader or ("judge" if given.judge else "fuzzy")
    if GRADERS[grader] == FUZZY:
        return None
    from harness.builds import Calibrated, build, judge, trusted, verdict
    from harness.grading.judge import Case, calibration_of
    from harness.models.loading import JUDGE
    from harness.report import summary
    from harness.store import Store

    store, calibration = Store(given.store), calibration_of(given.judge or JUDGE)
    own, found = calibration.judge, Calibrated.of(build(calibration, store, given.device))
    if not given.allow_weak_judge:
        trusted(own.name, found, given.judge_kappa)
    cases = [Case(a.question, target, a.answer) for a in answers for target in a.accepted]
    said = judge(own, cases, store, given.device)
    verdicts = [verdict(a.question, a.accepted, a.answer, said, found.cut) for a in answers]
    return Bench(summary(own.name, found), found, verdicts)


def add(commands: Commands) -> None:
    own = commands.add_parser(
        "judge",
        help="what a judge is worth",
        description=(
            "Ask a judge about answers that are labelled right or wrong (fixtures/grading/pairs.csv"
            " and kinds.csv), and say how far it agrees: accuracy, Cohen's kappa, error rates. One"
            " half of the pairs sets the cut between same and differ, the other tells what the"
            " judge is worth, beside the fuzzy grader. Exit code 1 where kappa is less than"
            " --judge-kappa."
        ),
    )
    own.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="folder, hub id, .gguf file, or openai:NAME@URL [the judge that comes along]",
    )
    own.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="put the tables into the block of a judge's README.md",
    )
    add_least(own)
    add_store(own)
    add_device(own)
    own.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    from harness.builds import VERDICTS, Calibrated, build, read_lines
    from harness.grading.judge import calibration_of
    from harness.models.loading import JUDGE
    from harness.report import quality_text, rewrite_card
    from harness.store import Store

    calibration = calibration_of(given.model or JUDGE)
    artefact = build(calibration, Store(given.store), given.device)
    found = Calibrated.of(artefact)
    print(
        f"judge {calibration.judge.name} (by {found.by}), cut"
        f" {found.cut:.2f}\n\n{quality_text(found)}\n"
    )
    print(missed([line for line in read_lines(artefact.path / VERDICTS) if line["held_out"]]))
    if given.card and rewrite_card(given.card, found):
        print(f"\n{given.card} is up to date now")
    if found.held_out.kappa.estimate >= given.judge_kappa:
        return 0
    print(
        f"\nkappa {found.held_out.kappa} is below {given.judge_kappa:.2f}: as a judge it is refused"
    )
    return 1


def missed(lines: list[dict[str, Any]]) -> str:
    """A row for each verdict that the label contradicts."""
    from tabulate import tabulate

    wrong = [line for line in lines if (line["verdict"] == "same") != line["right"]]
    rows = [
        [e["case"], e["expected"], e["given"], "right" if e["right"] else "wrong", e["verdict"]]
        for e in wrong
    ]
    head = ("case", "right would be", "answer", "label", "verdict")
    told = f"missed of the held-out half: {len(wrong)} of {len(lines)}"
    return f"{told}\n\n{tabulate(rows, head, 'github', disable_numparse=True)}" if rows else told
