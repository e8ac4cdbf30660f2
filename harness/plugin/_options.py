"""Command-line options and ini settings, and the folders that they and test files name."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.builds import check_live
from harness.engines import EngineSpec, decoding, engine_spec, engine_specs
from harness.errors import HarnessError, MissingExtraError, RecipeError
from harness.experiments.adapter_specs import ExternalSpec
from harness.experiments.for_model import AUTO, chat_settings, known_format
from harness.experiments.selection import adapters, find, is_scenario, seeds
from harness.grading import GRADERS, LEAST_KAPPA
from harness.models.loading import JUDGE, SHIPPED
from harness.recipes import Chat, Decoding
from harness.report.baselines import Limits
from harness.store import CACHE, is_url
from harness.training import CHECKPOINT_MINUTES, checkpoint_minutes

BASELINES = "suites/{scenario}/baselines"
_SCENARIO = re.compile(r"""^SCENARIO = ["'](\w+)["']""", re.MULTILINE)
_OPTIONS = {
    "store": (
        "DIR|URL",
        ".store",
        "where adapters, answers and grades are kept: a folder, or a URL as s3://bucket/prefix",
    ),
    "store_cache": ("DIR", CACHE, "folder of this machine for the files of a --store URL"),
    "report": ("DIR", "reports", "where RESULTS.md, RESULTS.json and the plots go"),
    "grid": ("NAME", "default", "which cells: default (few, and the most telling) or full"),
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
    "format": (
        "NAME",
        AUTO,
        "chat: in the model's chat template; plain: as text to continue; auto: chat where it can",
    ),
    "system": ("TEXT", "", "the system prompt of the chat template"),
    "template_args": ("JSON", "", 'arguments of the chat template, as {"enable_thinking": true}'),
    "bank": (
        "FILE",
        "",
        "CSV of questions that tell what a model knows; by default the shipped 3,000",
    ),
    "grader": (
        "NAME",
        "fuzzy",
        "whose verdicts count: fuzzy, judge, or both (fuzzy, with the judge's beside)",
    ),
    "judge": (
        "MODEL",
        "",
        "folder, hub id, .gguf file or openai:NAME@URL of the judge; by default the shipped one",
    ),
    "judge_kappa": (
        "X",
        str(LEAST_KAPPA),
        "least agreement of the judge with people (Cohen's kappa), on held-out labelled pairs",
    ),
    "device": ("NAME", "", "cpu or cuda; by default CUDA where there is one"),
    "checkpoint_minutes": (
        "N",
        f"{CHECKPOINT_MINUTES:g}",
        "minutes between the checkpoints from which a killed training goes on; 0: none",
    ),
    "live": ("DIR", "", "write TensorBoard event files of each training here while it runs"),
    "baseline": ("NAME", "", "fail where a cell is significantly worse than in this baseline"),
    "baselines": ("DIR", BASELINES, "where baselines are kept"),
    "limits": (
        "LIST",
        "quality=0.02,bytes=1.10,memory=1.25,speed=2.0",
        "how much worse than a baseline is still accepted",
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
"""By name: metavar, default, and what it means."""
_MODEL = "folder, hub id, .gguf file, smollm2 or openai:NAME@URL of a base model"
_ADAPTER = "an adapter that you have, to measure: a PEFT folder, a .gguf file or served:NAME"


class Settings(NamedTuple):
    """What the user set."""

    models: tuple[str, ...]
    adapters: tuple[ExternalSpec, ...]
    """Adapters of the user, measured beside what is trained."""
    seeds: tuple[int, ...]
    grid: str
    engines: tuple[EngineSpec, ...]
    missing: dict[EngineSpec, str]
    """Engines of ``all`` that are not installed, with the line that installs them."""
    store: Path | str
    """A folder, or a URL."""
    store_cache: Path
    report: Path
    decoding: Decoding
    format: str
    """One of ``harness.experiments.for_model.FORMATS``."""
    chat: Chat
    """The system prompt, and arguments of the chat template."""
    bank: Path | None
    """The user's questions on what a model knows; None for the shipped ones."""
    grader: str
    """One of ``harness.grading.GRADERS``."""
    judge: str
    judge_kappa: float
    allow_weak_judge: bool
    device: str | None
    checkpoint_minutes: float
    gradient_checkpointing: bool
    live: Path | None
    """Folder of the event files of trainings."""
    plan: bool
    baseline: str
    """Name of the baseline to compare with, or empty."""
    save_baseline: str
    """Name of the baseline to write, or empty."""
    baselines: str
    """Folder of the baselines, with ``{scenario}`` where the scenario's name goes."""
    limits: Limits
    judge_speed: bool
    summary: Path | None
    served_on: str
    """The day under which answers of servers are kept."""


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
        "--gradient-checkpointing",
        action="store_true",
        help="train with less memory, in more time",
    )
    group.addoption(
        "--plan", action="store_true", help="show what would be built, and build nothing"
    )


def settings(config: pytest.Config) -> Settings:
    """Options over ini settings over defaults.

    Raises:
        pytest.UsageError: a value is not possible, or an engine that is named is not installed.
    """
    values = {name: str(config.getoption(name) or config.getini(name)) for name in _OPTIONS}
    try:
        numbers = seeds(values["seeds"])
        preset = decoding(values["decoding"])
        form = known_format(values["format"])
        chat = chat_settings(values["system"], values["template_args"])
    except RecipeError as error:
        raise pytest.UsageError(str(error)) from None
    engines, missing = _engines(values["engine"])
    return Settings(
        models=tuple(config.getoption("model") or config.getini("model") or [str(SHIPPED)]),
        adapters=_adapters(config.getoption("adapter") or config.getini("adapter")),
        seeds=numbers,
        grid=values["grid"],
        engines=engines,
        missing=missing,
        store=values["store"] if is_url(values["store"]) else _folder(config, values["store"]),
        store_cache=_folder(config, values["store_cache"]),
        report=_folder(config, values["report"]),
        decoding=preset,
        format=form,
        chat=chat,
        bank=_folder(config, values["bank"]) if values["bank"] else None,
        grader=_grader(values["grader"]),
        judge=values["judge"] or str(JUDGE),
        judge_kappa=_kappa(values["judge_kappa"]),
        allow_weak_judge=bool(config.getoption("allow_weak_judge")),
        device=values["device"] or None,
        checkpoint_minutes=_minutes(values["checkpoint_minutes"]),
        gradient_checkpointing=bool(config.getoption("gradient_checkpointing")),
        live=_live(config, values["live"]),
        plan=bool(config.getoption("plan")),
        baseline=_name("--baseline", values["baseline"]),
        save_baseline=_name("--save-baseline", config.getoption("save_baseline") or ""),
        baselines=values["baselines"],
        limits=_limits(values["limits"]),
        judge_speed=bool(config.getoption("baseline_speed")),
        summary=_summary(config, values["summary"]),
        served_on=values["served_on"] or f"{datetime.now(UTC):%Y-%m-%d}",
    )


def scenario_folder(name: str, test_file: Path, root: Path) -> Path:
    """The folder of the scenario that ``test_file`` names.

    It is the file's own folder where that has the name, else one below ``suites`` of the project,
    else a shipped suite. Scenarios are identified by this path, as xdist's controller imports no
    suite.

    Raises:
        RecipeError: there is none.
    """
    folder = test_file.parent
    if folder.name == name and is_scenario(folder):
        return folder.resolve()
    return find(name, root / "suites")


def root_of(config: pytest.Config) -> Path:
    """The project's folder: pytest's, where an ini file marks it, else where pytest was called.

    Without an ini file pytest's would be the common parent of its arguments, as a suite's folder.
    """
    return config.rootpath if config.inipath else config.invocation_params.dir


def selected_suites(config: pytest.Config) -> list[Path]:
    """Folders of the scenarios whose test files are below the paths on the command line.

    They are read from the text of the files: the controller of xdist imports none of them.
    """
    folders: dict[Path, None] = {}
    for argument in config.args:
        path = config.invocation_params.dir / argument.partition("::")[0]
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            if not file.is_file():
                continue
            for name in _SCENARIO.findall(file.read_text(encoding="utf-8", errors="replace")):
                try:
                    folders[scenario_folder(name, file, root_of(config))] = None
                except RecipeError:
                    continue  # collecting the test file will report it
    return list(folders)


def _engines(names: str) -> tuple[tuple[EngineSpec, ...], dict[EngineSpec, str]]:
    """The engines of ``names``, and those of ``all`` that are not installed."""
    words = [name.strip() for name in names.split(",")]
    missing: dict[EngineSpec, str] = {}
    try:
        specs = engine_specs(names)
        named = {engine_spec(word) for word in words if word != "all"}
        # ``all`` means: what is installed; a named engine must be there
        for spec in specs:
            try:
                spec.require()
            except MissingExtraError as error:
                if spec in named:
                    raise
                missing[spec] = str(error)
    except HarnessError as error:
        raise pytest.UsageError(f"--engine {names}: {error}") from None
    return tuple(specs), missing


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


def _minutes(text: str) -> float:
    try:
        return checkpoint_minutes(text)
    except RecipeError as error:
        raise pytest.UsageError(str(error)) from None


def _live(config: pytest.Config, path: str) -> Path | None:
    if not path:
        return None
    try:
        check_live()
    except MissingExtraError as error:
        raise pytest.UsageError(str(error)) from None
    return _folder(config, path)


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
        limits = Limits(**pairs)
    except (ValueError, TypeError):
        known = ", ".join(Limits._fields)
        raise pytest.UsageError(
            f"--limits {text!r}: give NAME=NUMBER, separated by commas, of {known}"
        ) from None
    if not 0 <= limits.quality < 1:
        raise pytest.UsageError(
            f"--limits {text!r}: quality is a share, at least 0 and below 1, such as 0.02"
        )
    for name, ratio in limits._replace(quality=1.0)._asdict().items():
        if not 1 <= ratio < math.inf:
            raise pytest.UsageError(
                f"--limits {text!r}: {name} is a ratio, at least 1 and finite, such as 1.25"
            )
    return limits


def _summary(config: pytest.Config, path: str) -> Path | None:
    """``path``; without one, where GitHub Actions reads the summary of a job."""
    if path:
        return _folder(config, path)
    # a file that GitHub shows on the page of the job
    job = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(job) if job else None


def _folder(config: pytest.Config, path: str) -> Path:
    """``path`` in the project's folder, from wherever pytest is called."""
    return root_of(config) / Path(path).expanduser()
