"""Memories of chats on LoCoMo and LongMemEval: ``pytest suites/locomo --data DIR --model M``."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from harness.data.published import read_chats, with_questions
from harness.errors import DataError, HarnessError, RecipeError
from harness.grading import FUZZY
from harness.plugin import Settings, settings
from harness.referee import (
    ALIKE,
    LEARNT,
    PREFIX,
    Column,
    EndpointSystem,
    MemorySystem,
    Referee,
    System,
    known_style,
    policy_system,
)
from harness.store import open_store

DATA = "LORA_MEMORY_CHATS"
"""The environment variable that names the data where ``--data`` does not."""
MEMORIES = "window,closed_book,retrieval,full_context"
"""The first one is what the others are held against."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``memory`` becomes each system's name and model."""
    if "memory" not in metafunc.fixturenames:
        return
    several = len(settings(metafunc.config).models) > 1
    pairs = memories(metafunc.config)
    ids = [f"{Path(model).name}-{name}" if several else name for name, model in pairs]
    metafunc.parametrize("memory", pairs, ids=ids)


def memories(config: pytest.Config) -> list[tuple[str, str]]:
    """(name, model) of each system; a server has a model of its own."""
    models = settings(config).models
    return [
        (name, model)
        for name in option(config, "memories", MEMORIES).split(",")
        for model in (models[:1] if name.startswith(PREFIX) else models)
    ]


@pytest.fixture(scope="module")
def referee(request: pytest.FixtureRequest) -> Referee:
    """What is asked, by the options. Skips without data."""
    given = option(request.config, "data", os.environ.get(DATA, ""))
    if not given:
        pytest.skip(f"needs the data: give --data DIR, or set {DATA}")
    try:
        return _referee(request.config, settings(request.config), Path(given).expanduser())
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def test_memory(memory: tuple[str, str], referee: Referee, request: pytest.FixtureRequest) -> None:
    """Takes every conversation in, and answers every question."""
    try:
        column = _ask(referee, memory, request.config)
    except RecipeError as error:  # the model cannot be asked in this way
        raise pytest.skip.Exception(str(error)) from None
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    asked = sum(len(chat.questions) for chat in referee.conversations)
    assert len(column.scored) == asked


def test_tables(
    referee: Referee, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """All systems beside the first one, shown, and kept in the folder of the report."""
    columns = []
    for memory in memories(request.config):  # another worker of -n may have asked some
        with suppress(HarnessError):
            columns.append(_ask(referee, memory, request.config))
    if not columns:
        pytest.skip("no system could be asked")
    referee.columns = {column.system: column for column in columns}  # the first is the reference
    paths = referee.write(settings(request.config).report / "locomo")
    with capsys.disabled():
        print(f"\n{referee.tables()}\nWritten: {paths[0].parent}")
    assert all(path.stat().st_size for path in paths)


def _ask(referee: Referee, memory: tuple[str, str], config: pytest.Config) -> Column:
    """The answers of a system, asked once. Raises HarnessError, and notes why."""
    name, model = memory
    label = Path(model).name if len(settings(config).models) > 1 else ""
    try:
        system = _system(name, model, label, config)
        return referee.columns.get(system.name) or referee.ask(system)
    except HarnessError as error:
        referee.absent[f"{label} {name}".strip()] = str(error)
        raise


def option(config: pytest.Config, name: str, default: str) -> str:
    """An option of this suite; below ``pytest suites`` its options are not known."""
    return str(config.getoption(name, None) or default)


def _referee(config: pytest.Config, chosen: Settings, data: Path) -> Referee:
    count = _number(option(config, "questions", "0"), "--questions")
    wanted = [name for name in option(config, "conversations", "").split(",") if name]
    chats = [with_questions(chat, count) for chat in read_chats(data)]
    if missing := [name for name in wanted if name not in {chat.id for chat in chats}]:
        known = ", ".join(chat.id for chat in chats[:20])
        raise DataError(f"--conversations {missing[0]!r} is not in {data}: it has {known}")
    return Referee(
        open_store(chosen.store, chosen.store_cache),
        [chat for chat in chats if not wanted or chat.id in wanted],
        known_style(option(config, "style", ALIKE)),
        "" if chosen.grader == FUZZY else chosen.judge,
        option(config, "published_judge", ""),
    )


def _system(name: str, model: str, label: str, config: pytest.Config) -> System:
    day = settings(config).served_on
    if name.startswith(PREFIX):
        return EndpointSystem(name, asked=day)
    if name in LEARNT:
        learn = tuple(filter(None, option(config, "learn", "").split(",")))
        changes = ("markers=absolute", *learn)
        store = settings(config).store
        if not isinstance(store, Path):
            raise DataError(f"--store {store}: memories are made in a folder of this machine")
        return MemorySystem(model, name, store, changes, label)
    context = _number(option(config, "context", "0"), "--context")
    return policy_system(model, name, context, label, day)


def _number(text: str, name: str) -> int:
    if not text.isdecimal():
        raise RecipeError(f"{name} {text!r}: give a whole number, 0 or more")
    return int(text)
