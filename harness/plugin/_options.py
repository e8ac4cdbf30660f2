"""Command-line options; each has a setting of the same name in the ini file, which it overrides."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from harness.facts import FIXTURES

SHIPPED = FIXTURES / "models" / "pocket"

_OPTIONS = {
    "store": ("DIR", ".store", "where adapters, answers and grades are kept"),
    "report": ("DIR", "reports", "where RESULTS.md, RESULTS.json and the plots go"),
    "grid": ("NAME", "telling", "which cells: telling (a small, telling subset) or full"),
    "seeds": ("LIST", "0", "seeds of the trainings, e.g. 0,1,2"),
    "device": ("NAME", "", "cpu or cuda; by default CUDA where there is one"),
}


class Settings(NamedTuple):
    """What the user asked for."""

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    grid: str
    store: Path
    report: Path
    device: str | None
    plan: bool


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "what a LoRA can make a model remember")
    group.addoption("--model", action="append", metavar="PATH", help="folder or hub id of a base model; repeatable")
    parser.addini("model", "folders or hub ids of base models", "linelist")
    for name, (meta, default, text) in _OPTIONS.items():
        group.addoption(f"--{name}", metavar=meta, help=f"{text} [{default or 'automatic'}]")
        parser.addini(name, text, default=default)
    group.addoption("--plan", action="store_true", help="show what would be built, and build nothing")


def settings(config: pytest.Config) -> Settings:
    """Options over ini settings over defaults. Raises pytest.UsageError on a seed that is no number."""
    given = {name: str(config.getoption(name) or config.getini(name)) for name in _OPTIONS}
    try:
        seeds = tuple(dict.fromkeys(int(seed) for seed in given["seeds"].split(",")))
    except ValueError:
        raise pytest.UsageError(
            f"--seeds {given['seeds']!r}: give numbers, separated by commas, such as 0,1,2"
        ) from None
    return Settings(
        models=tuple(config.getoption("model") or config.getini("model") or [str(SHIPPED)]),
        seeds=seeds,
        grid=given["grid"],
        store=_folder(config, given["store"]),
        report=_folder(config, given["report"]),
        device=given["device"] or None,
        plan=bool(config.getoption("plan")),
    )


def _folder(config: pytest.Config, path: str) -> Path:
    """Relative folders are those of the project, from wherever pytest is called."""
    return config.rootpath / Path(path).expanduser()
