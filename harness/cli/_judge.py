"""``judge``: how good a judge is, before anything is graded by it; and its verdicts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli._common import Answered, Commands, add_device, add_store
from harness.grading import FUZZY, GRADERS, LEAST_KAPPA

if TYPE_CHECKING:
    from harness.builds import Calibrated, Judged


class Verdicts(NamedTuple):
    """What a judge says of answers, and how good it is."""

    quality: str
    """How good the judge is, in a line each: figures, the better grader, doubts."""
    calibrated: Calibrated
    verdicts: list[Judged]
    """One for each answer."""


_MODEL = "folder, hub id, .gguf file, or openai:NAME@URL [the shipped judge]"


def add_options(parser: argparse.ArgumentParser) -> None:
    """``--grader``, ``--judge`` and what belongs to them."""
    parser.add_argument(
        "--grader",
        choices=tuple(GRADERS),
        help=(
            "whose verdicts count; both: fuzzy, with the judge's beside [fuzzy; with --judge:"
            " judge]"
        ),
    )
    parser.add_argument("--judge", metavar="MODEL", help=_MODEL)
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


def judged(options: argparse.Namespace, answers: Sequence[Answered]) -> Verdicts | None:
    """The judge's verdicts on ``answers``; None where no judge is asked.

    Raises ModelError on a judge that is too weak.
    """
    grader = options.grader or ("judge" if options.judge else "fuzzy")
    if GRADERS[grader] == FUZZY:
        return None
    from harness.builds import Calibrated, build, judge, trusted, verdict
    from harness.grading.judge import Case, calibration_of
    from harness.models.loading import JUDGE
    from harness.report import summary
    from harness.store import open_store

    store = open_store(options.store, options.store_cache)
    calibration = calibration_of(options.judge or JUDGE)
    calibrated = Calibrated.of(build(calibration, store, options.device))
    name = calibration.judge.name
    if not options.allow_weak_judge:
        trusted(name, calibrated, options.judge_kappa)
    # the judge compares with one accepted answer at a time
    cases = [Case(a.question, accepted, a.answer) for a in answers for accepted in a.accepted]
    judgements = judge(calibration.judge, cases, store, options.device)
    verdicts = [
        verdict(a.question, a.accepted, a.answer, judgements, calibrated.cut) for a in answers
    ]
    return Verdicts(summary(name, calibrated), calibrated, verdicts)


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "judge",
        help="measure how good a judge is",
        description=(
            "Ask a judge about answers that people labelled right or wrong"
            " (fixtures/grading/pairs.csv and kinds.csv), and print how far it agrees: accuracy,"
            " Cohen's kappa, error rates. One half of the pairs sets the cut between same and"
            " differ. The other half measures the judge, beside the fuzzy grader. The exit code is"
            " 1 where kappa is less than --judge-kappa."
        ),
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help=_MODEL,
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="also write the tables into the README.md of a judge",
    )
    add_least(parser)
    add_store(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from harness.builds import VERDICTS, Calibrated, build, read_lines
    from harness.grading.judge import calibration_of
    from harness.models.loading import JUDGE
    from harness.report import quality_text, rewrite_card
    from harness.store import open_store

    calibration = calibration_of(options.model or JUDGE)
    artefact = build(calibration, open_store(options.store, options.store_cache), options.device)
    calibrated = Calibrated.of(artefact)
    name, kappa = calibration.judge.name, calibrated.held_out.kappa
    print(f"judge {name} (by {calibrated.by}), cut {calibrated.cut:.2f}\n")
    print(f"{quality_text(calibrated)}\n")
    lines = read_lines(artefact.path / VERDICTS)
    print(missed([line for line in lines if line["held_out"]]))
    if options.card and rewrite_card(options.card, calibrated):
        print(f"\n{options.card} is up to date now")
    if kappa.estimate >= options.judge_kappa:
        return 0
    print(f"\nkappa {kappa} is below {options.judge_kappa:.2f}: as a judge it is refused")
    return 1


def missed(lines: list[dict[str, Any]]) -> str:
    """A row for each verdict that contradicts its label."""
    from tabulate import tabulate

    # an undecided verdict counts as a miss of a right answer
    wrong = [line for line in lines if (line["verdict"] == "same") != line["right"]]
    rows = []
    for line in wrong:
        label = "right" if line["right"] else "wrong"
        rows.append([line["case"], line["expected"], line["given"], label, line["verdict"]])
    head = ("case", "right would be", "answer", "label", "verdict")
    count = f"missed of the held-out half: {len(wrong)} of {len(lines)}"
    return f"{count}\n\n{tabulate(rows, head, 'github', disable_numparse=True)}" if rows else count
