"""Results in an MLflow store, read back with MLflow's own client."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.builds import GRADES
from harness.errors import MissingExtraError, StoreError, install
from harness.recipes import digest
from harness.report import Exported, MlflowStore, ScenarioReport, write
from tests.report.conftest import Home

if TYPE_CHECKING:
    from mlflow.entities import Run

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all, as MLflow takes seconds to begin one."""
    return tmp_path_factory.mktemp("mlflow") / "own store"


@pytest.fixture(scope="module")
def client(place: Path, small: ScenarioReport) -> MlflowClient:
    from mlflow import MlflowClient

    assert MlflowStore(str(place)).export([small]) == Exported(
        new=len(small.entries), changed=0, same=0
    )
    return MlflowClient(f"sqlite:///{place / 'mlflow.db'}")


def runs(client: MlflowClient) -> dict[str, Run]:
    """Those of the scenario, by name."""
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found)
    return named


def plain(result: dict[str, Any]) -> dict[str, float | None]:
    """Its figures as RESULTS.json has them, under the names of metrics."""
    local = {name: result[name] for name in ("known", "locality", "retained_accuracy")}
    if result["status"] == "base":
        local |= {"locality": None, "retained_accuracy": None}  # as local as itself
    shares = {
        name: own
        for name, own in {**result["recall"], **result["measures"], **local}.items()
        if own
    }
    ends = {f"{name}.{end}": own[end] for name, own in shares.items() for end in ("low", "high")}
    return {**{name: own["estimate"] for name, own in shares.items()}, **ends, **result["cost"]}


def test_figures_are_those_of_the_report(
    client: MlflowClient, small: ScenarioReport, folder: Path
) -> None:
    write([small], folder)
    results = json.loads((folder / "RESULTS.json").read_text(encoding="utf-8"))["results"]
    metrics = {name: run.data.metrics for name, run in runs(client).items()}
    assert metrics == {result["id"]: plain(result) for result in results}
    assert len(results) == 4
    trained = metrics[small.entries[-1].result.id]
    assert {
        "rephrased",
        "rephrased.low",
        "rephrased.high",
        "letters",
        "seconds",
        "adapter_bytes",
    } <= trained.keys()


def test_settings_are_parameters_and_the_rest_is_tags(
    client: MlflowClient, small: ScenarioReport, home: Home
) -> None:
    found, bare = runs(client), small.entries[0]
    for cell in home.cells:
        own = found[cell.id].data
        settings = (
            own.params["rank"],
            own.params["lr"],
            own.params["batch"],
            own.params["scheduler"],
        )
        training = cell.training
        assert settings == (
            str(training.rank),
            str(training.lr),
            str(training.batch),
            training.scheduler,
        )
        assert own.params["target_modules"] == ", ".join(training.target_modules)
        told = {"model": "tiny", "engine": "hf", "dataset": "lie", "seed": "0", "status": "ok"}
        assert told.items() <= own.tags.items()
        assert own.tags["grades"] == digest(cell.grades)
    assert found[bare.result.id].data.params == {}
    assert found[bare.result.id].data.tags["status"] == "base"
    assert {run.info.status for run in found.values()} == {"FINISHED"}


def test_every_answer_lies_beside_its_run(
    client: MlflowClient, small: ScenarioReport, tmp_path: Path
) -> None:
    found = runs(client)
    for entry in small.entries:
        got = client.download_artifacts(found[entry.result.id].info.run_id, GRADES, str(tmp_path))
        assert Path(got).read_bytes() == (entry.folder / GRADES).read_bytes()


def test_twice_is_once(client: MlflowClient, place: Path, small: ScenarioReport) -> None:
    before = {name: run.info.run_id for name, run in runs(client).items()}
    assert MlflowStore(str(place)).export([small]) == Exported(new=0, changed=0, same=4)
    assert {name: run.info.run_id for name, run in runs(client).items()} == before


def test_what_is_there_twice_is_removed(
    client: MlflowClient, place: Path, small: ScenarioReport
) -> None:
    run = next(iter(runs(client).values()))
    client.create_run(run.info.experiment_id, tags=run.data.tags)
    assert MlflowStore(str(place)).export([small]) == Exported(new=0, changed=0, same=4)
    assert len(runs(client)) == 4


def test_other_figures_and_half_a_run_are_made_anew(
    client: MlflowClient, place: Path, small: ScenarioReport
) -> None:
    first, *others = small.entries
    cost = {**first.result.cost, "load_seconds": 1234.5}
    changed = small._replace(
        entries=[replace(first, result=first.result._replace(cost=cost)), *others]
    )
    before = runs(client)
    client.delete_tag(before[others[0].result.id].info.run_id, "figures")
    assert MlflowStore(str(place)).export([changed]) == Exported(new=0, changed=2, same=2)
    after = runs(client)
    assert after.keys() == before.keys()
    assert after[first.result.id].data.metrics["load_seconds"] == 1234.5
    assert MlflowStore(str(place)).export([small]) == Exported(new=0, changed=1, same=3)


def test_cells_that_share_their_answers_are_runs_of_their_own(
    client: MlflowClient, place: Path, small: ScenarioReport
) -> None:
    last = small.entries[-1]
    cell = replace(last.cell, label="other", given_id="other")
    named = replace(last, result=last.result._replace(cell=cell))
    both = small._replace(entries=[last, named])
    assert named.grades == last.grades
    assert MlflowStore(str(place)).export([both]) == Exported(new=1, changed=0, same=1)
    assert MlflowStore(str(place)).export([both]) == Exported(new=0, changed=0, same=2)
    client.delete_run(runs(client)["other"].info.run_id)


def test_a_diverged_training_is_a_failed_run(
    client: MlflowClient, place: Path, small: ScenarioReport
) -> None:
    last = small.entries[-1]
    diverged = replace(last, result=last.result._replace(status="diverged"))
    MlflowStore(str(place)).export([small._replace(entries=[diverged])])
    assert runs(client)[last.result.id].info.status == "FAILED"
    MlflowStore(str(place)).export([small])


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("/proc/mlflow", "No such file or directory"),
        ("sqlite:////proc/mlflow.db", "No such file or directory"),
        (f"sqlite:///{__file__}", "file is not a database"),
        ("file:///tmp/mlruns", "maintenance mode"),
        ("foo://me:secret@host", "unsupported URI"),
        ("http://127.0.0.1:1", "Connection refused"),
    ],
)
def test_a_place_that_cannot_be_is_one_line(
    where: str, reason: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(StoreError) as raised:
        MlflowStore(where)
    said = str(raised.value)
    assert said.startswith(f"MLflow cannot write to {where.replace('secret', '***')} (")
    assert reason in said
    assert said.endswith("): give --mlflow a folder, sqlite:///FILE or the address of a server")
    assert "secret" not in said
    assert "\n" not in said
    assert capfd.readouterr() == ("", "")


def test_without_the_package_the_line_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=re.escape(install("mlflow"))):
        MlflowStore(str(tmp_path))
    assert not [*tmp_path.iterdir()]


APART = """
import os, sys
from harness.report import MlflowStore

asked = []
NETWORK = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, told: asked.append(told) if event in NETWORK else None)
before = dict(os.environ)
MlflowStore(sys.argv[1])
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
from mlflow.telemetry import get_telemetry_client
print(asked, get_telemetry_client())
"""


def test_nothing_is_sent_anywhere(client: MlflowClient, place: Path) -> None:
    """In a process of its own, with none of the variables by which MLflow knows CI and pytest, and
    is silent there."""
    clean = {
        name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ
    }
    command = [sys.executable, "-c", APART, str(place)]
    ran = subprocess.run(
        command,
        env=clean,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("[] None\n", "")
