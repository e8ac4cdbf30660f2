"""Command-line options and ini settings, and where a test file's scenario is."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.engines import EngineSpec, decoding, engine_spec, engine_specs
from harness.errors import HarnessError, MissingExtraError, RecipeError
from harness.experiments import selection as loader
from harness.experiments.adapter_specs import ExternalSpec
from harness.experiments.selection import adapters, seeds
from harness.grading import GRADERS, LEAST_KAPPA
from harness.models.loading import JUDGE, SHIPPED
from harness.recipes import Decoding
from harness.report.baselines import Limits

_NAMED = re.compile(r"""^SCENARIO = ["'](\w+)["']""", re.MULTILINE)


def scenario_folder(name: str, test_file: Path, root: Path) -> Path:
    """The folder of the scenario that ``test_file`` names.

    It is the file's own folder where that is called so, else one below ``suites`` of the project,
    else a suite that comes along. A path means the same to xdist's controller, which imports no
    suite.

    Raises:
        RecipeError: there is none.
    """
    own = test_file.parent
    if own.name == name and loader.is_scenario(own):
        return own.resolve()
    return loader.find(name, root / "suites")


def root_of(config: pytest.Config) -> Path:
    """The project's folder: pytest's, where an ini file marks it, else where pytest was called.

    Without an ini file pytest's own would be the suite's folder, or where its arguments meet.
    """
    return config.rootpath if config.inipath else config.invocation_params.dir


def suites_asked(config: pytest.Config) -> list[Path]:
    """Folders of the scenarios below what the command line names, from the text of test files.

    It is for a process that imports none of them.
    """
    folders: dict[Path, None] = {}
    for argument in config.args:
        path = config.invocation_params.dir / argument.partition("::")[0]
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            if not file.is_file():
                continue
            for name in _NAMED.findall(file.read_text(encoding="utf-8", errors="replace")):
                try:
                    folders[scenario_folder(name, file, root_of(config))] = None
                except RecipeError:
                    continue  # the test file says so when it is collected
    return list(folders)


BASELINES = "suites/{scenario}/baselines"
_OPTIONS = {
    "store": ("DIR", ".store", "where adapters, answers and grades are kept"),
    "report": ("DIR", "reports", "where RESULTS.md, RESULTS.json and the plots go"),
    "grid": ("NAME", "default", "which cells: default (a small subset that tells most) or full"),
    "seeds": ("LIST", "0", "seeds of the trainings, e.g. 0,1,2"),
    "engine": (
        "LIST",
        "hf",
        "forms that answer: hf, bf16, nf4, int8, gptq4, gguf:q4_0, ...; nf4@hf: trained on hf; all",
    ),
    "decoding": (
        "NAME[,FIELD=VALUE...]",
        "deterministic",
        "how suites answer: a preset, with fields of its own, e.g. default,temperature=0.5",
    ),
    "grader": (
        "NAME",
        "fuzzy",
        "whose verdicts count: fuzzy, judge, or both (fuzzy, with the judge's beside)",
    ),
    "judge": (
        "MODEL",
        "",
        (
            "folder, hub id, .gguf file or openai:NAME@URL of the judge; by default the one that"
            " comes along"
        ),
    ),
    "judge_kappa": (
        "X",
        str(LEAST_KAPPA),
        "least agreement of the judge with people, on held-out labelled pairs",
    ),
    "device": ("NAME", "", "cpu or cuda; by default CUDA where there is one"),
    "baseline": ("NAME", "", "fail where a cell is significantly worse than in this baseline"),
    "baselines": ("DIR", BASELINES, "where baselines are kept"),
    "limits": (
        "LIST",
        "quality=0.02,bytes=1.10,memory=1.25,speed=2.0",
        "how much worse than a baseline is well enough",
    ),
    "served_on": (
        "DAY",
        "",
        "keep answers of servers under this day or word; by default today's date (UTC)",
    ),
    "summary": (
        "FILE",
        "",
        "append the tables to this markdown file; in GitHub Actions the job's summary",
    ),
}
_MODEL = "folder, hub id, .gguf file or openai:NAME@URL of a base model"
_ADAPTER = "a ready-made adapter to be measured: a PEFT folder, a .gguf file or served:NAME"


class Settings(NamedTuple):
    """What the user asked for."""

    models: tuple[str, ...]
    adapters: tuple[ExternalSpec, ...]
    """Ready-made adapters to be measured beside what is trained."""
    seeds: tuple[int, ...]
    grid: str
    engines: tuple[EngineSpec, ...]
    missing: dict[EngineSpec, str]
    """Engines of ``all`` that are not installed, with the line that installs them."""
    store: Path
    report: Path
    decoding: Decoding
    grader: str
    """One of ``harness.grading.GRADERS``."""
    judge: str
    judge_kappa: float
    allow_weak_judge: bool
    device: str | None
    plan: bool
    baseline: str
    """Name of the baseline to compare with, or empty."""
    save_baseline: str
    """Name of the baseline to make, or empty."""
    baselines: str
    """Folder of the baselines, with ``{scenario}`` where the scenario's name goes."""
    limits: Limits
    judge_speed: bool
    summary: Path | None
    served_on: str
    """Under which day answers of servers are kept."""


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "what a LoRA can make a model remember")
    group.addoption("--model", action="append", metavar="PATH", help=f"{_MODEL}; repeatable")
    parser.addini("model", _MODEL, "linelist")
    group.addoption(
        "--adapter", action="append", metavar="[NAME=]WHAT[:SCALE]", help=f"{_ADAPTER}; repeatable"
    )
    parser.addini("adapter", _ADAPTER, "linelist")
    for name, (meta, default, text) in _OPTIONS.items():
        group.addoption(
            f"--{name.replace('_', '-')}", metavar=meta, help=f"{text} [{default or 'automatic'}]"
        )
        parser.addini(name, text, default=default)
    group.addoption(
        "--save-baseline", metavar="NAME", help="keep what the cells reach as a baseline"
    )
    group.addoption(
        "--baseline-speed",
        action="store_true",
        help="fail, too, where a cell is slower than its limit",
    )
    group.addoption(
        "--allow-weak-judge", action="store_true", help="go on with a judge below --judge-kappa"
    )
    group.addoption(
        "--plan", action="store_true", help="show what would be built, and build nothing"
    )


def settings(config: pytest.Config) -> Settings:
    """Options over ini settings over defaults.

    Raises:
        pytest.UsageError: a seed is no number, a decoding or engine is unknown, or an engine that
        is asked for by name
            is not installed.
    """
    given = {name: str(config.getoption(name) or config.getini(name)) for name in _OPTIONS}
    try:
        numbers, by = seeds(given["seeds"]), decoding(given["decoding"])
    except RecipeError as error:
        raise pytest.UsageError(str(error)) from None
    engines, missing = _engines(given["engine"])
    return Settings(
        models=tuple(config.getoption("model") or config.getini("model") or [str(SHIPPED)]),
        adapters=_adapters(config.getoption("adapter") or config.getini("adapter")),
        seeds=numbers,
        grid=given["grid"],
        engines=engines,
        missing=missing,
        store=_folder(config, given["store"]),
        report=_folder(config, given["report"]),
        decoding=by,
        grader=_grader(given["grader"]),
        judge=given["judge"] or str(JUDGE),
        judge_kappa=_kappa(given["judge_kappa"]),
        allow_weak_judge=bool(config.getoption("allow_weak_judge")),
        device=given["device"] or None,
        plan=bool(config.getoption("plan")),
        baseline=_name("--baseline", given["baseline"]),
        save_baseline=_name("--save-baseline", config.getoption("save_baseline") or ""),
        baselines=given["baselines"],
        limits=_limits(given["limits"]),
        judge_speed=bool(config.getoption("baseline_speed")),
        summary=_summary(config, given["summary"]),
        served_on=given["served_on"] or f"{datetime.now(UTC):%Y-%m-%d}",
    )


def _engines(names: str) -> tuple[tuple[EngineSpec, ...], dict[EngineSpec, str]]:
    """The engines, and which of those that only ``all`` names are not installed."""
    named = [name.strip() for name in names.split(",")]
    missing: dict[EngineSpec, str] = {}
    try:
        found = engine_specs(names)
        outright = {engine_spec(name) for name in named if name != "all"}
        for spec in found:
            try:
                spec.require()
            except MissingExtraError as error:
                if spec in outright:
                    raise
                missing[spec] = str(error)
    except HarnessError as error:
        raise pytest.UsageError(f"--engine {names}: {error}") from None
    return tuple(found), missing


def _adapters(texts: Sequence[str]) -> tuple[ExternalSpec, ...]:
    try:
        return adapters(texts)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None


def _grader(name: str) -> str:
    if name not in GRADERS:
        raise pytest.UsageError(f"--grader {name!r} is unknown: choose one of {', '.join(GRADERS)}")
    return GRADERS[name]


def _kappa(text: str) -> float:
    try:
        if -1 <= (value := float(text)) <= 1:
            return value
    except ValueError:
        pass
    raise pytest.UsageError(f"--judge-kappa {text!r}: give a number of at most 1, such as 0.6")


def _name(option: str, name: str) -> str:
    if name and not re.fullmatch(r"\w[\w.-]*", name):
        raise pytest.UsageError(f"{option} {name!r}: a name has letters, digits, and . _ - within")
    return name


def _limits(text: str) -> Limits:
    try:
        pairs = {
            name.strip(): float(value)
            for name, value in (part.split("=") for part in text.split(","))
        }
        found = Limits(**pairs)
    except (ValueError, TypeError):
        known = ", ".join(Limits._fields)
        raise pytest.UsageError(
            f"--limits {text!r}: give NAME=NUMBER, separated by commas, of {known}"
        ) from None
    if not 0 <= found.quality < 1:
        raise pytest.UsageError(
            f"--limits {text!r}: quality is a share, at least 0 and below 1, such as 0.02"
        )
    for name, ratio in found._replace(quality=1.0)._asdict().items():
        if not 1 <= ratio < math.inf:
            raise pytest.UsageError(
                f"--limits {text!r}: {name} is a ratio, at least 1 and finite, such as 1.25"
            )
    return found


def _summary(config: pytest.Config, given: str) -> Path | None:
    """Where GitHub Actions looks, if nothing is asked for."""
    if given:
        return _folder(config, given)
    job = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(job) if job else None


def _folder(config: pytest.Config, path: str) -> Path:
    """Relative folders are those of the project, from wherever pytest is called."""
    return root_of(config) / Path(path).expanduser()
