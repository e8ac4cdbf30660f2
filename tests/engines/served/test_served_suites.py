"""Served models in recipes and suites: known by what they show, and nothing lost of what was
answered."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.builds import answered_lines, build
from harness.engines import identify
from harness.errors import ModelError
from harness.models.external import scaled_adapter
from harness.recipes import Answers, Probe, ProbeSet, ServedBase, Stack, digest
from harness.store import Artefact, Journal, Store
from tests.engines.served.served_helpers import Reply, Request, Server, echo

ROOT = Path(__file__).resolve().parents[3]
DAY = "2026-01-02"
LISTED: dict[str, Any] = {
    "data": [
        {"id": "pocket", "created": 1, "max_model_len": 1024},
        {"id": "oscars", "parent": "pocket"},
    ]
}
PROBES = ProbeSet.of(
    "asked", tuple(Probe(f"exact/{i}", "exact", str(i), f"p{i}", ("p",)) for i in range(12))
)


def known(server: Server, day: str = DAY, kind: str = "openai") -> ServedBase:
    found = identify(f"{kind}:pocket@{server.url}", day)
    assert isinstance(found, ServedBase)
    return found


def said(artefact: Artefact) -> list[str]:
    return [line.answer for line in answered_lines(artefact)]


def test_a_served_model_is_known_by_what_it_shows_and_not_by_its_address(
    serve: Callable[..., Server],
) -> None:
    first, elsewhere = (
        serve(v1__models=LISTED),
        serve(v1__models={"data": [{**LISTED["data"][0], "created": 2}]}),
    )
    assert known(first).path != known(elsewhere).path
    assert digest(known(first)) == digest(known(elsewhere))
    longer = serve(v1__models={"data": [{"id": "pocket", "max_model_len": 2048}]})
    other = serve(
        lambda request, before: Reply({"choices": [{"text": "something else"}]}), v1__models=LISTED
    )
    bases = (
        known(first),
        known(longer),
        known(other),
        known(first, kind="openai-chat"),
        known(first, "2026-01-03"),
    )
    assert len({digest(base) for base in bases}) == len(bases)


def test_a_server_that_fails_in_the_middle_loses_nothing(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = [True]

    def fails_at_p7(request: Request, before: int) -> Reply:
        bad = request.body["prompt"] == "p7" and down[0]
        return Reply({"error": {"message": "no such expert"}}, 400) if bad else echo(request)

    server, store = serve(fails_at_p7), Store(tmp_path / "store")
    recipe = Answers(Stack(known(server)), PROBES)
    before = len(server.asked)
    with pytest.raises(
        ModelError, match=r"no such expert.*; \d+ of 12 answers are kept, a rerun asks for the rest"
    ):
        build(recipe, store)
    first = {prompt for prompt in server.prompts()[before:] if prompt != "p7"}
    assert first
    assert store.peek(recipe) is None
    down[0], before = False, len(server.asked)
    found = said(build(recipe, Store(tmp_path / "store")))  # as another process would
    assert found == [f"p{i} 0" for i in range(12)]
    again = server.prompts()[before:]
    assert set(again) == {f"p{i}" for i in range(12)} - first
    assert store.scraps() == []
    server.http.shutdown()
    assert said(build(recipe, store)) == found  # kept: nobody is asked


def test_an_adapter_by_its_name_on_the_server(serve: Callable[..., Server], tmp_path: Path) -> None:
    tell = serve(
        lambda request, before: Reply({"choices": [{"text": request.body["model"]}]}),
        v1__models=LISTED,
    )
    base, store = known(tell), Store(tmp_path / "store")
    assert set(said(build(Answers(Stack(base), PROBES), store))) == {"pocket"}
    stack = Stack(base, ((scaled_adapter("served:oscars").adapter, 1.0),))
    assert set(said(build(Answers(stack, PROBES), store))) == {"oscars"}
    with pytest.raises(ModelError, match="has no adapter 'films'"):
        build(Answers(Stack(base, ((scaled_adapter("served:films").adapter, 1.0),)), PROBES), store)


def test_a_journal_that_a_crash_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "journal.jsonl"
    journal = Journal(file)
    journal["one\u2028two"], journal["b"] = ["1"], ["2", "é"]
    journal.close()
    file.write_bytes(file.read_bytes() + b'["c", ["thr')
    again = Journal(file)
    assert dict(again) == {"one\u2028two": ["1"], "b": ["2", "é"]}
    again["c"] = ["3"]
    again.close()
    assert dict(Journal(file)) == {"one\u2028two": ["1"], "b": ["2", "é"], "c": ["3"]}


@pytest.fixture
def pytest_on(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """pytest suites/oscars on a server, as a user runs it."""

    def call(server: Server, *arguments: str) -> tuple[int, str]:
        own = [
            "--store",
            str(tmp_path / "store"),
            "--report",
            str(tmp_path / "report"),
            "-p",
            "no:cacheprovider",
        ]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "suites/oscars",
            "--model",
            f"openai:pocket@{server.url}",
            *own,
        ]
        quiet = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        done = subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env=quiet,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return call


def test_a_suite_on_a_server_that_fails_once(
    serve: Callable[..., Server], pytest_on: Callable[..., tuple[int, str]]
) -> None:
    down, bad = [True], []

    def fails(request: Request, before: int) -> Reply:
        if down[0] and before > 100:
            bad.append(request.body["prompt"])
            return Reply({"error": {"message": "over quota"}}, 403)
        return echo(request)

    server = serve(fails, v1__models=LISTED)
    status, said = pytest_on(server, "-k", "oscarstxt and bare")
    assert status == 4
    assert "answered 403 (over quota): put the key for it into HARNESS_OPENAI_API_KEY" in said
    assert "answers are kept, a rerun asks for the rest" in said
    assert "Traceback" not in said
    done = {prompt for prompt in server.prompts() if prompt not in bad}
    down[0], before = False, len(server.asked)
    status, said = pytest_on(server, "-k", "oscarstxt and (bare or rank8)")
    assert status == 0, said
    assert "1 passed" in said
    assert "pocket" in said
    assert (
        len(done & set(server.prompts()[before:])) <= 4
    )  # but for those that the model is known by
    status, said = pytest_on(server, "-k", "rank8", "-rs")
    assert (
        "oscars: every test was skipped, nothing was measured: nothing can be trained on"
        " openai:pocket@" in said
    )


def test_a_server_that_cannot_scale_an_adapter_skips_it(
    serve: Callable[..., Server], pytest_on: Callable[..., tuple[int, str]]
) -> None:
    server = serve(echo, v1__models=LISTED)
    cell = "oscarstxt and adapter_oscars_x0p5"
    status, printed = pytest_on(server, "--adapter", "served:oscars:0.5", "-k", cell, "-rs")
    assert status == 0, printed
    assert "engine served cannot scale adapters: leave :SCALE out" in printed
