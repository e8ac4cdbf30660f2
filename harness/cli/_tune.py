"""``tune``: the training parameters to take on a model, by a search."""

from __future__ import annotations

import argparse

from harness.cli._common import SUITES, Commands, add_device, add_store

FIRST = 36
"""Settings that the search begins with, unless the user says otherwise."""
DEFAULT = "grid"
"""The scenario whose data are trained and asked, unless the user names another."""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "tune",
        help="find the training parameters to take",
        description=(
            "Search learning rate, rank, alpha, cutoff and warm-up over more and more epochs, on"
            " the data and questions of a scenario, and recommend a setting: the best harmonic"
            " mean of recall and locality, less half a point for each doubling of the seconds."
            " Every trial is kept in the store."
        ),
    )
    parser.add_argument(
        "scenario",
        nargs="?",
        default=DEFAULT,
        metavar="SCENARIO",
        help=f"such as oscars, or the folder of your own [{DEFAULT}]",
    )
    parser.add_argument("--model", metavar="PATH", help="folder or hub id [the shipped one]")
    parser.add_argument(
        "--first", type=int, default=FIRST, metavar="N", help=f"settings to begin with [{FIRST}]"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the draw and of the trainings [0]"
    )
    add_store(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from functools import partial

    from harness.builds import build
    from harness.errors import RecipeError
    from harness.experiments.measures import trial
    from harness.experiments.scenario import Evidence, Setup
    from harness.experiments.selection import find, knowledge_of, load
    from harness.experiments.tuning import AXES, Trial, best, design_of, options, score, search
    from harness.models.loading import SHIPPED, base_of
    from harness.recipes import Training
    from harness.store import Store

    if arguments.first < 1:
        raise RecipeError(f"--first is {arguments.first}: it must be at least 1")
    scenario = load(find(arguments.scenario, SUITES))
    base = base_of(arguments.model or SHIPPED)
    setup = Setup(base, arguments.seed, knowledge_of(base))
    fetch = partial(build, store=Store(arguments.store), device=arguments.device)

    def words(found: Trial) -> str:
        figures = (
            f"recall {found.recall:.2f}, locality {found.locality:.2f}, {found.seconds:.1f} s,"
            f" score {score(found):.3f}"
        )
        return f"{options(found.training)}: {figures}"

    def tried(training: Training) -> Trial:
        cell = design_of(scenario, setup, training).cell(setup)
        found = trial(Evidence(cell, fetch), scenario.headline)._replace(training=training)
        print(words(found), flush=True)
        return found

    trials = search(AXES, tried, arguments.first, seed=arguments.seed)
    share = AXES.share(trials)
    print(f"\n{len(trials)} trials, {share:.0%} of the full grid's epochs. Recommended:")
    print(words(best(trials)))
    return 0
