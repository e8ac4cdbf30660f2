"""``tune``: search the best training parameters for a model."""

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
        help="search the best training parameters",
        description=(
            "Search learning rate, rank, alpha, cutoff and warm-up, with more epochs from round to"
            " round, on the data and questions of a scenario. The recommended setting has the best"
            " harmonic mean of recall and locality, less half a point for each doubling of the"
            " seconds. Every trial is kept in the store."
        ),
    )
    parser.add_argument(
        "scenario",
        nargs="?",
        default=DEFAULT,
        metavar="SCENARIO",
        help=f"such as oscars, or the folder of your own [{DEFAULT}]",
    )
    parser.add_argument(
        "--model", metavar="PATH", help="folder, hub id, .gguf file or smollm2 [the shipped one]"
    )
    parser.add_argument(
        "--first", type=int, default=FIRST, metavar="N", help=f"settings to begin with [{FIRST}]"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the draw and of the trainings [0]"
    )
    add_store(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from functools import partial

    from harness.builds import build
    from harness.engines import trainable
    from harness.errors import RecipeError
    from harness.experiments import tuning
    from harness.experiments.measures import trial
    from harness.experiments.scenario import Evidence, Setup
    from harness.experiments.selection import find, load, taken_knowledge
    from harness.models.loading import SHIPPED
    from harness.recipes import Training
    from harness.store import Store

    if options.first < 1:
        raise RecipeError(f"--first is {options.first}: it must be at least 1")
    if options.seed < 0:
        raise RecipeError(f"--seed is {options.seed}: it must be at least 0")
    scenario = load(find(options.scenario, SUITES))
    base = trainable(options.model or SHIPPED)
    setup = Setup(base, options.seed, taken_knowledge(base))
    fetch = partial(build, store=Store(options.store), device=options.device)

    def line(result: tuning.Trial) -> str:
        return (
            f"{tuning.options(result.training)}: recall {result.recall:.2f},"
            f" locality {result.locality:.2f}, {result.seconds:.1f} s,"
            f" score {tuning.score(result):.3f}"
        )

    def measured(training: Training) -> tuning.Trial:
        cell = tuning.design_of(scenario, setup, training).cell(setup)
        result = trial(Evidence(cell, fetch), scenario.headline)._replace(training=training)
        print(line(result), flush=True)
        return result

    # a trial that is in the store is not trained again: an interrupted search goes on
    trials = tuning.search(tuning.AXES, measured, options.first, seed=options.seed)
    share = tuning.AXES.share(trials)
    print(f"\n{len(trials)} trials, {share:.0%} of the full grid's epochs. Recommended:")
    print(line(tuning.best(trials)))
    return 0
