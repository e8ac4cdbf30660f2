"""``tune``: search the best training parameters for a model."""

from __future__ import annotations

import argparse

from harness.cli._common import SUITES, Commands, add_device, add_format, add_store, knowledge
from harness.errors import RecipeError
from harness.training.presets import PRESETS

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
            " With --budget: find the best recall that a time allows, at the preset's locality, and"
            " say how much better than the preset it is."
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
        "--budget", metavar="TIME", help="search within a time such as 90s, 30m or 2h"
    )
    parser.add_argument(
        "--preset",
        choices=sorted(PRESETS),
        help="what --budget is to beat [the setting of the scenario's first cell]",
    )
    parser.add_argument(
        "--least-locality",
        type=float,
        metavar="X",
        help="the locality that --budget accepts [0.02 below the preset's]",
    )
    parser.add_argument(
        "--first", type=int, metavar="N", help=f"settings to begin with, without --budget [{FIRST}]"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the draw and of the trainings [0]"
    )
    add_format(parser)
    add_store(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from functools import partial

    from harness.builds import build
    from harness.engines import trainable
    from harness.experiments import tuning
    from harness.experiments.budget import seconds
    from harness.experiments.for_model import chat_settings, known_format
    from harness.experiments.measures import trial
    from harness.experiments.scenario import Evidence
    from harness.experiments.selection import Selection, find, load, setup_of
    from harness.models.loading import SHIPPED
    from harness.recipes import Training
    from harness.store import open_store
    from harness.training.presets import preset

    first = FIRST if options.first is None else options.first
    if first < 1:
        raise RecipeError(f"--first is {first}: it must be at least 1")
    if options.seed < 0:
        raise RecipeError(f"--seed is {options.seed}: it must be at least 0")
    _check(options)
    time = seconds(options.budget) if options.budget else None
    scenario = load(find(options.scenario, SUITES))
    base = trainable(options.model or SHIPPED)
    store = open_store(options.store, options.store_cache)
    made = partial(build, store=store, device=options.device)
    selection = Selection(
        (base,),
        format=known_format(options.format),
        chat=chat_settings(options.system, options.template_args),
        knowledge=knowledge(options, made),
        fetch=made,
    )
    setup = setup_of(scenario, base, options.seed, selection)
    if time is not None:
        from harness.cli._tune_budget import Search

        start = preset(options.preset) if options.preset else tuning.first_setting(scenario, setup)
        least = options.least_locality
        Search(scenario, setup, start, time, least, store, options.device).run(_say)
        return 0

    def line(result: tuning.Trial) -> str:
        return (
            f"{tuning.options(result.training)}: recall {result.recall:.2f},"
            f" locality {result.locality:.2f}, {result.seconds:.1f} s,"
            f" score {tuning.score(result):.3f}"
        )

    def measured(training: Training) -> tuning.Trial:
        cell = tuning.design_of(scenario, setup, training).cell(setup)
        result = trial(Evidence(cell, made), scenario.headline)._replace(training=training)
        print(line(result), flush=True)
        return result

    # a trial that is in the store is not trained again: an interrupted search goes on
    trials = tuning.search(tuning.AXES, measured, first, seed=options.seed)
    share = tuning.AXES.share(trials)
    print(f"\n{len(trials)} trials, {share:.0%} of the full grid's epochs. Recommended:")
    print(line(tuning.best(trials)))
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _check(options: argparse.Namespace) -> None:
    """Raises RecipeError on options that do not go together, or a share that is none."""
    least = options.least_locality
    if options.budget and options.first is not None:
        raise RecipeError("--first does not go with --budget: leave one out")
    if not options.budget and (options.preset or least is not None):
        name = "--preset" if options.preset else "--least-locality"
        raise RecipeError(f"{name} needs --budget: give a time such as --budget 30m")
    if least is not None and not 0 <= least <= 1:
        raise RecipeError(f"--least-locality is {least}: it must be between 0 and 1")
