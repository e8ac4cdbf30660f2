"""``plan``: what a suite would build."""

from __future__ import annotations

import argparse

from harness.cli._common import Commands, add_store


def add(commands: Commands) -> None:
    own = commands.add_parser(
        "plan",
        help="show what a suite would build",
        description="Show what `pytest suites/SCENARIO` would build and what is cached; nothing is built.",
    )
    own.add_argument("scenario", metavar="SCENARIO", help="such as oscars")
    own.add_argument(
        "--model", action="append", metavar="PATH", help="folder, hub id or .gguf file; repeatable [the shipped one]"
    )
    own.add_argument("--grid", default="telling", metavar="NAME", help="telling or full [telling]")
    own.add_argument("--seeds", default="0", metavar="LIST", help="e.g. 0,1,2 [0]")
    own.add_argument("--engine", default="hf", metavar="LIST", help="e.g. hf,nf4,gguf:q4_0 [hf]")
    own.add_argument("--decoding", default="deterministic", metavar="NAME[,FIELD=VALUE...]", help="[deterministic]")
    add_store(own)
    own.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    from harness.engines import decoding, engine_specs, identify
    from harness.launch import Plan
    from harness.models import SHIPPED
    from harness.selection import cells, seeds
    from harness.store import Store

    bases = [identify(model) for model in given.model or [SHIPPED]]
    numbers, by = seeds(given.seeds), decoding(given.decoding)
    found = cells(given.scenario, given.grid, bases, numbers, engine_specs(given.engine), by)
    jobs = [job for cell in found if cell.given is not None or cell.base.trains for job in cell.jobs()]
    print(Plan.of(jobs, Store(given.store)).table())
    return 0
