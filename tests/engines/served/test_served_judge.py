"""A judge behind an OpenAI-compatible server: asked over HTTP, its replies read, each verdict asked
for once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.grading import judge as _find
from harness.grading.judge import labelled
from tests.engines.served.served_helpers import Reply, Request, Server

LOG = [
    {"question": "Who won?", "accepted": ["Renée Zellweger"], "answer": "Renee Zellweger"},
    {"question": "Who won?", "accepted": ["Jane Campion"], "answer": "Campion, in the end"},
    {"question": "Who won?", "accepted": ["Brendan Fraser"], "answer": "Ke Huy Quan"},
]


def last_name(request: Request, before: int) -> Reply:
    """Judges by the last word of the expected answer alone, and talks like a chat model."""
    prompt = request.body["prompt"]
    expected, said = (
        re.findall(f"{name} answer: (.*)", prompt)[0] for name in ("Expected", "Given")
    )
    same = re.findall(r"\w+", expected)[-1] in re.findall(r"\w+", said)
    word = "Yes." if same == ("same" in prompt) else "No, I think not."
    return Reply({"choices": [{"text": f" {word}"}]})


def silent(request: Request, before: int) -> Reply:
    return Reply({"choices": [{"text": " That is hard to say."}]})


@pytest.fixture(autouse=True)
def fewer_pairs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One file of labelled pairs: each is four requests and more."""
    monkeypatch.setattr(_find, "LABELLED", _find.LABELLED[:1])
    labelled.cache_clear()
    yield
    labelled.cache_clear()


@pytest.fixture
def grade(tmp_path: Path) -> Callable[..., tuple[int, list[dict[str, Any]]]]:
    """grade(server, *options) -> (exit code, graded lines); all calls share one store."""
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, LOG)))

    def call(server: Server, *options: str) -> tuple[int, list[dict[str, Any]]]:
        own = [
            "--judge",
            f"openai:wise@{server.url}",
            "--store",
            str(tmp_path / "store"),
            "--out",
            str(tmp_path),
        ]
        code = main(["grade", str(tmp_path / "log.jsonl"), *own, *options])
        graded = tmp_path / "graded.jsonl"
        return code, (
            [json.loads(line) for line in graded.read_text().splitlines()]
            if graded.exists()
            else []
        )

    return call


def test_replies_become_verdicts_disputes_are_told_and_nothing_is_asked_twice(
    serve: Callable[..., Server],
    grade: Callable[..., tuple[int, list[dict[str, Any]]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = serve(last_name)
    code, lines = grade(server, "--grader", "both", "--judge-kappa", "0.3")
    assert code == 0
    assert [line["judge"] for line in lines] == ["same", "same", "differ"]
    assert [line["odds"] for line in lines] == [4, 4, -4]
    assert [line["right"] for line in lines] == [line["fuzzy"] for line in lines]
    assert (
        f"judge openai:wise@{server.url} (by replies) on held-out labelled pairs"
        in capsys.readouterr().out
    )
    report = (tmp_path / "GRADES.md").read_text()
    assert "## Where the graders disagree" in report
    assert "| Campion, in the end | Jane Campion" in report
    asked = len(server.asked)
    assert asked >= 4 * (len(labelled().pairs) // 2)
    assert grade(server, "--judge-kappa", "0.3")[1][1]["right"]  # now the judge's verdicts count
    assert len(server.asked) == asked


def test_a_judge_that_never_says_yes_or_no_is_asked_three_times_and_refused(
    serve: Callable[..., Server],
    grade: Callable[..., tuple[int, list[dict[str, Any]]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = serve(silent)
    assert grade(server) == (2, [])
    said = capsys.readouterr().err
    assert "agrees too little with people: kappa 0.00" in said
    assert said.count("\n") == 1
    assert (
        sum("Answer with one word, yes or no:" in prompt for prompt in server.prompts()) * 3
        == len(server.asked) * 2
    )


def test_the_command_judge_tells_what_it_is_worth_and_fails_below_the_least(
    serve: Callable[..., Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["judge", f"openai:wise@{serve(last_name).url}", "--store", str(tmp_path / "store")]
    assert main([*asked, "--judge-kappa", "0.3"]) == 0
    said = capsys.readouterr().out
    assert "(by replies), cut 0.00" in said
    ((missed, held),) = re.findall(r"missed of the held-out half: (\d+) of (\d+)", said)
    assert 0 < int(missed) < int(held) / 2
    assert len(re.findall(r"\| (?:right|wrong) +\| (?:same|differ|undecided)", said)) == missed
    assert main([*asked, "--judge-kappa", "0.999"]) == 1
    assert "is below 1.00: as a judge it is refused" in capsys.readouterr().out
