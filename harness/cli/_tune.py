"""``tune``: the training parameters to take on a model, by a search."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from harness.cli._common import Commands, add_device, add_store
from harness.experiments.tuning import FIRST

if TYPE_CHECKING:
    from harness.experiments.tuning import Trial


def add(commands: Commands) -> None:
    own = commands.add_parser(
        "tune",
        help="find the training parameters to take",
        description=(
            "Search the grid of `suites/grid` over more and more epochs, and recommend a setting:"
            " the best harmonic mean of recall and locality, less half a point for each doubling of"
            " the seconds. Every trial is kept in the store, where the suite finds it."
        ),
    )
    own.add_argument("--model", metavar="PATH", help="folder or hub id [the shipped one]")
    own.add_argument(
        "--first", type=int, default=FIRST, metavar="N", help=f"settings to begin with [{FIRST}]"
    )
    own.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the draw and of the trainings [0]"
    )
    add_store(own)
    add_device(own)
    own.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    from dataclasses import replace

    from harness.builds import build
    from harness.errors import RecipeError
    from harness.experiments.shares import trial
    from harness.experiments.tuning import best, search
    from harness.models.loading import SHIPPED, base_of
    from harness.recipes import Recipe, Training
    from harness.scenarios.grid import AXES, cell
    from harness.store import Artefact, Store

    if given.first < 1:
        raise RecipeError(f"--first is {given.first}: it must be at least 1")
    base, store = base_of(given.model or SHIPPED), Store(given.store)

    def fetch(recipe: Recipe) -> Artefact:
        return build(recipe, store, given.device)

    def tried(training: Training) -> Trial:
        found = trial(cell(base, replace(training, seed=given.seed)), fetch)._replace(
            training=training
        )
        print(_words(found), flush=True)
        return found

    trials = search(AXES, tried, given.first, seed=given.seed)
    print(
        f"\n{len(trials)} trials, {AXES.share(trials):.0%} of the full grid's epochs. Recommended:"
    )
    print(_words(best(trials)))
    return 0


def _words(found: Trial) -> str:
    from harness.experiments.tuning import score
    from harness.scenarios.grid import options

    figures = (
        f"recall {found.recall:.2f}, locality {found.locality:.2f}, {found.seconds:.1f} s, score"
        f" {score(found):.3f}"
    )
    return f"{options(found.training)}: {figures}"
