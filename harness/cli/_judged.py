"""Answers of a file before a judge: its options, its calibration, its verdicts, and where it disagrees."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.cli._common import add_device, add_store
from harness.cli._log import Answered
from harness.grading import FUZZY, GRADERS, LEAST_KAPPA

if TYPE_CHECKING:
    from harness.builders import Calibrated, Judged


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
        help="whose verdicts count; both: fuzzy, with the judge's beside [fuzzy; judge where --judge is given]",
    )
    shown = "folder, hub id, .gguf file, or openai:NAME@URL [the one that comes along]"
    parser.add_argument("--judge", metavar="MODEL", help=shown)
    add_least(parser)
    parser.add_argument("--allow-weak-judge", action="store_true", help="go on with a judge below --judge-kappa")
    add_store(parser)
    add_device(parser)


def add_least(parser: argparse.ArgumentParser) -> None:
    """``--judge-kappa``."""
    parser.add_argument(
        "--judge-kappa",
        type=float,
        default=LEAST_KAPPA,
        metavar="X",
        help=f"least agreement of the judge with people, on held-out labelled pairs [{LEAST_KAPPA}]",
    )


def bench(given: argparse.Namespace, answers: Sequence[Answered]) -> Bench | None:
    """The judge's verdicts on ``answers``; None where none is asked. Raises ModelError on one that is too weak."""
    grader = given.grader or ("judge" if given.judge else "fuzzy")
    if GRADERS[grader] == FUZZY:
        return None
    from harness.builders import Calibrated, build, judge, trusted, verdict
    from harness.judging import Case, calibration_of
    from harness.models import JUDGE
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
