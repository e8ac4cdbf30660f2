"""Results in an MLflow store, where others keep their trainings: an experiment a scenario, a run a
cell."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.builds import GRADES
from harness.errors import MissingExtraError, StoreError
from harness.models.quiet import quiet
from harness.recipes import sha256
from harness.report._database import about, figures, ids
from harness.report._scenario_report import Entry, ScenarioReport

if TYPE_CHECKING:
    from sqlalchemy import URL

DATABASE = "mlflow.db"
"""In a folder; it is where ``mlflow server`` looks by itself."""
_UNLESS_SET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": (
        "3"
    ),  # its own 7 are minutes of silence where no server answers
}
_IDENTITY = ("grades", "dataset", "label", "external")
"""What tells cells apart, whatever else is selected: cells that go by two names may share their
answers."""
_URI = re.compile(r"[a-z][a-z0-9+.-]+:")  # of two letters or more, as C: is a drive
_PASSWORD = re.compile(r"(//[^/@:]*):[^/@]*@")


class Exported(NamedTuple):
    """Counts of runs."""

    new: int
    changed: int
    """Made anew, as a figure or setting was another."""
    same: int

    def __str__(self) -> str:
        return f"{self.new} runs new, {self.changed} made anew, {self.same} as they were"


class MlflowStore:
    """A folder, database or server that MLflow keeps runs in."""

    def __init__(self, where: str) -> None:
        """``where`` is a folder, which is made, or a tracking URI.

        Raises:
            MissingExtraError: MLflow is not installed.
            StoreError: ``where`` is nothing that it can write to.
        """
        self._where = where
        self._artifacts: Path | None = None
        with _mlflow(where) as client:
            self._client = client(self._uri())
            self._client.search_experiments(max_results=1)  # connects

    def export(self, parts: Sequence[ScenarioReport]) -> Exported:
        """Every cell and bare model of ``parts``; what is there already, with the same figures, is
        left alone.

        Raises:
            StoreError: it cannot be written.
        """
        with _mlflow(self._where):
            found = Counter(how for part in parts for how in self._part(part))
        return Exported(*(found[name] for name in Exported._fields))

    def _uri(self) -> str:
        """The tracking URI, of a file that can be written: MLflow itself would try to open it for
        minutes.

        Its older store of plain files (``file:``) is refused by MLflow, unless its own variable
        allows it.
        """
        from sqlalchemy import URL, make_url

        if not _URI.match(self._where):
            folder = Path(self._where).expanduser().absolute()
            self._artifacts = folder / "artifacts"
            return _writable(URL.create("sqlite", database=str(folder / DATABASE)))
        return (
            _writable(make_url(self._where)) if self._where.startswith("sqlite:") else self._where
        )

    def _part(self, part: ScenarioReport) -> Iterator[str]:
        experiment = self._experiment(part)
        for entry, name in zip(part.entries, ids(part.entries), strict=True):
            yield self._entry(experiment, entry, name)

    def _experiment(self, part: ScenarioReport) -> str:
        name = part.scenario.name
        if found := self._client.get_experiment_by_name(name):
            return str(found.experiment_id)
        place = (self._artifacts / name).as_uri() if self._artifacts else None
        note = {"mlflow.note.content": part.scenario.title}
        return str(self._client.create_experiment(name, artifact_location=place, tags=note))

    def _entry(self, experiment: str, entry: Entry, name: str) -> str:
        """One run for a cell. As MLflow takes no metric back, other figures are another run
        instead."""
        own = _run(entry)
        there = self._client.search_runs([experiment], f"tags.cell = '{own.tags['cell']}'")
        same = [run for run in there if run.data.tags.get("figures") == own.figures][:1]
        if not same:
            self._write(experiment, entry, own, name)
        for run in there:
            if run not in same:  # MLflow keeps it as deleted
                self._client.delete_run(run.info.run_id)
        return "same" if same else "changed" if there else "new"

    def _write(self, experiment: str, entry: Entry, own: _Run, name: str) -> None:
        from mlflow.entities import Metric, Param

        run = self._client.create_run(experiment, run_name=name, tags=own.tags).info.run_id
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, 0) for key, value in own.metrics.items()]
        self._client.log_batch(run, metrics, [Param(*pair) for pair in own.params.items()])
        self._client.log_artifact(run, str(entry.folder / GRADES))
        self._client.set_terminated(
            run, "FAILED" if entry.result.status == "diverged" else "FINISHED"
        )
        self._client.set_tag(
            run, "figures", own.figures
        )  # last: what an interrupted export left is made anew


class _Run(NamedTuple):
    """What MLflow keeps of a cell."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def figures(self) -> str:
        """Another where anything of it is another."""
        return _digest(self)


def _run(entry: Entry) -> _Run:
    """All of a training's settings as parameters; as tags what else the cell is, and its seed to
    filter by."""
    row = about(entry)
    settings = asdict(entry.cell.training) if row.pop("training", None) else {}
    tags = {
        key: str(value)
        for key, value in row.items()
        if value != "" and (key == "seed" or key not in settings)
    }
    if entry.result.adapted:
        tags |= {f"factor.{name}": str(value) for name, value in entry.cell.factors.items()}
    tags["cell"] = _digest([row.get(name) for name in _IDENTITY])
    return _Run({key: _text(value) for key, value in settings.items()}, dict(_metrics(entry)), tags)


def _metrics(entry: Entry) -> Iterator[tuple[str, float]]:
    for name, _, value, low, high in figures(entry):
        ends = {name: value, f"{name}.low": low, f"{name}.high": high}
        yield from ((key, float(end)) for key, end in ends.items() if end is not None)


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True))[:24]


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _writable(uri: URL) -> str:
    file = Path(uri.database or "")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.open("ab").close()
    return uri.render_as_string()


@contextmanager
def _mlflow(where: str) -> Iterator[Any]:
    """MLflow's client, silent, without telemetry; what it raises is told in one line."""
    with quiet(**{name: value for name, value in _UNLESS_SET.items() if name not in os.environ}):
        try:
            import alembic  # noqa: F401  # behind its databases, and not asked for by its client
            import sqlalchemy.exc
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise MissingExtraError("MLflow", "mlflow") from error
        try:
            yield MlflowClient
        except (
            MlflowException,
            sqlalchemy.exc.SQLAlchemyError,
            OSError,
            ImportError,
            ValueError,
        ) as error:
            told = _PASSWORD.sub(r"\1:***@", f"MLflow cannot write to {where} ({_reason(error)})")
            raise StoreError(
                f"{told}: give --mlflow a folder, sqlite:///FILE or the address of a server"
            ) from error


def _reason(error: Exception) -> str:
    """In one line: SQLAlchemy's messages go on with the statement and a link."""
    own = error.strerror if isinstance(error, OSError) else None
    return own or next(iter(str(error).splitlines()), type(error).__name__)
