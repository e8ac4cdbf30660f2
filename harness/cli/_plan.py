"""``plan``: what a suite would build."""

from __future__ import annotations

import argparse

from harness.cli._common import Commands, add_selection, add_store, selected


def add(commands: Commands) -> None:
    own = commands.add_parser(
        "plan",
        help="show what a suite would build",
        description="Show what `pytest suites/SCENARIO` would build and what is cached; nothing is built.",
    )
    own.add_argument("scenario", metavar="SCENARIO", help="such as oscars, or the folder of your own")
    add_selection(own)
    add_store(own)
    own.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    from harness.launch import Plan
    from harness.store import Store

    jobs = [job for cell in selected(given.scenario, given) for job in cell.jobs()]
    print(Plan.of(jobs, Store(given.store)).table())
    return 0
