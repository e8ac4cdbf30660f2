"""Arguments and wordings that several commands share."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.grading import FUZZY, GRADERS

if TYPE_CHECKING:
    from harness.cells import Cell

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = Any

_MIB = 2**20


def add_store(parser: argparse.ArgumentParser) -> None:
    """``--store``, with the default of the pytest plugin."""
    parser.add_argument("--store", type=Path, default=Path(".store"), metavar="DIR", help="the artefacts [.store]")


def add_selection(parser: argparse.ArgumentParser) -> None:
    """``--model``, ``--adapter``, ``--grid``, ``--seeds``, ``--engine``, ``--decoding``, ``--grader``, ``--judge``."""
    parser.add_argument(
        "--model",
        action="append",
        metavar="PATH",
        help="folder, hub id, .gguf file or openai:NAME@URL; repeatable [the shipped one]",
    )
    parser.add_argument(
        "--adapter", action="append", default=[], metavar="NAME=WHAT", help="a ready-made adapter; repeatable"
    )
    parser.add_argument("--grid", default="telling", metavar="NAME", help="telling or full [telling]")
    parser.add_argument("--seeds", default="0", metavar="LIST", help="e.g. 0,1,2 [0]")
    parser.add_argument("--engine", default="hf", metavar="LIST", help="e.g. hf,nf4,gguf:q4_0 [hf]")
    parser.add_argument("--decoding", default="deterministic", metavar="NAME[,FIELD=VALUE...]", help="[deterministic]")
    parser.add_argument("--grader", choices=tuple(GRADERS), default="fuzzy", help="whose verdicts [fuzzy]")
    parser.add_argument("--judge", metavar="MODEL", help="of --grader judge or both [the one that comes along]")


def selected(name: str, given: argparse.Namespace) -> list[Cell]:
    """The cells of the scenario ``name`` that the options of ``add_selection`` name."""
    from harness.cells import told_apart
    from harness.engines import decoding, engine_specs, identify
    from harness.given import given_adapter
    from harness.judging import calibration_of
    from harness.models import JUDGE, SHIPPED
    from harness.scenarios import scenario
    from harness.selection import cells, seeds

    bases = told_apart(identify(model) for model in given.model or [SHIPPED])
    numbers, by = seeds(given.seeds), decoding(given.decoding)
    adapters = [given_adapter(text) for text in given.adapter]
    found = cells(scenario(name), given.grid, bases, numbers, engine_specs(given.engine), by, adapters)
    grader = GRADERS[given.grader]
    calibration = None if grader == FUZZY else calibration_of(given.judge or JUDGE)
    found = [cell for cell in found if cell.given is not None or cell.base.trains]
    return [replace(cell, grader=grader, calibration=calibration) for cell in found]


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``."""
    parser.add_argument("--device", metavar="NAME", help="cpu or cuda [CUDA where there is one]")


def counted(count: int, thing: str) -> str:
    """``1 artefact``, ``3 artefacts``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def size(count: int) -> str:
    """Bytes in words: ``812 B``, ``3.4 KiB``, ``5.0 MiB``, ``1.2 GiB``."""
    if count < 1024:
        return f"{count} B"
    for unit, name in ((1024, "KiB"), (_MIB, "MiB")):
        if count < unit * 1000:
            return f"{count / unit:.1f} {name}"
    return f"{count / (1024 * _MIB):.1f} GiB"


def age(seconds: float) -> str:
    """A span in words: ``40 s``, ``12 min``, ``5 h``, ``3 d``."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) // unit:.0f} {name}"
    return f"{seconds // 86400:.0f} d"
