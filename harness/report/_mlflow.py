"""Results in an MLflow store: an experiment for each scenario, a run for each cell."""

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
"""In a folder: where ``mlflow server`` looks for it by default."""
_UNLESS_SET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Its default of 7 is minutes of silence where no server answers.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
_IDENTITY = ("grades", "dataset", "label", "external")
"""What identifies a cell, however many are selected: two cells may share their answers."""
_URI = re.compile(r"[a-z][a-z0-9+.-]+:")  # of two letters or more, because C: is a drive
_PASSWORD = re.compile(r"(//[^/@:]*):[^/@]*@")


class Exported(NamedTuple):
    """Counts of runs."""

    new: int
    changed: int
    """Replaced, because a figure or setting has changed."""
    same: int

    def __str__(self) -> str:
        return f"{self.new} runs new, {self.changed} replaced, {self.same} unchanged"


class MlflowStore:
    """A folder, database or server that MLflow keeps runs in."""

    def __init__(self, where: str) -> None:
        """``where`` is a folder, which is created, or a tracking URI.

        Raises:
            MissingExtraError: MLflow is not installed.
            StoreError: MLflow cannot write to ``where``.
        """
        self._where = where
        self._artifacts: Path | None = None
        with _mlflow(where) as client:
            self._client = client(self._uri())
            self._client.search_experiments(max_results=1)  # connects

    def export(self, reports: Sequence[ScenarioReport]) -> Exported:
        """Export every cell and bare model of ``reports``.

        Runs that are there already, with the same figures, are left alone.

        Raises:
            StoreError: it cannot be written.
        """
        with _mlflow(self._where):
            counts = Counter(outcome for report in reports for outcome in self._report(report))
        return Exported(*(counts[name] for name in Exported._fields))

    def _uri(self) -> str:
        """The tracking URI; of a file, it is made sure that it can be written.

        MLflow itself would try to open it for minutes. It refuses its older store of plain files
        (``file:``), unless its own variable allows it.
        """
        from sqlalchemy import URL, make_url

        if not _URI.match(self._where):
            folder = Path(self._where).expanduser().absolute()
            self._artifacts = folder / "artifacts"
            return _writable(URL.create("sqlite", database=str(folder / DATABASE)))
        if self._where.startswith("sqlite:"):
            return _writable(make_url(self._where))
        return self._where

    def _report(self, report: ScenarioReport) -> Iterator[str]:
        """Exports the cells; yields a field of ``Exported`` for each."""
        experiment = self._experiment(report)
        for entry, name in zip(report.entries, ids(report.entries), strict=True):
            yield self._entry(experiment, entry, name)

    def _experiment(self, report: ScenarioReport) -> str:
        name = report.scenario.name
        if experiment := self._client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        folder = (self._artifacts / name).as_uri() if self._artifacts else None
        note = {"mlflow.note.content": report.scenario.title}
        return str(self._client.create_experiment(name, artifact_location=folder, tags=note))

    def _entry(self, experiment: str, entry: Entry, name: str) -> str:
        """One run for a cell.

        MLflow cannot take a metric back, so changed figures go to a new run.
        """
        run = _run(entry)
        previous = self._client.search_runs([experiment], f"tags.cell = '{run.tags['cell']}'")
        same = [old for old in previous if old.data.tags.get("figures") == run.figures][:1]
        if not same:
            self._write(experiment, entry, run, name)
        for old in previous:
            if old not in same:  # MLflow keeps it as deleted
                self._client.delete_run(old.info.run_id)
        if same:
            return "same"
        return "changed" if previous else "new"

    def _write(self, experiment: str, entry: Entry, run: _Run, name: str) -> None:
        from mlflow.entities import Metric, Param

        run_id = self._client.create_run(experiment, run_name=name, tags=run.tags).info.run_id
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, 0) for key, value in run.metrics.items()]
        self._client.log_batch(run_id, metrics, [Param(*pair) for pair in run.params.items()])
        self._client.log_artifact(run_id, str(entry.folder / GRADES))
        status = "FAILED" if entry.result.status == "diverged" else "FINISHED"
        self._client.set_terminated(run_id, status)
        # Last, so that the next export replaces the run of an interrupted one.
        self._client.set_tag(run_id, "figures", run.figures)


class _Run(NamedTuple):
    """What MLflow keeps of a cell."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def figures(self) -> str:
        """A digest, which changes with anything in the run."""
        return _digest(self)


def _run(entry: Entry) -> _Run:
    """The training's settings as parameters; everything else about the cell as tags.

    The seed is a tag, too, to filter by.
    """
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
    """MLflow's client, silent and without telemetry; its errors become one line."""
    with quiet(**{name: value for name, value in _UNLESS_SET.items() if name not in os.environ}):
        try:
            # Its databases need alembic, which its small client does not install.
            import alembic  # noqa: F401
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
            text = _PASSWORD.sub(r"\1:***@", f"MLflow cannot write to {where} ({_reason(error)})")
            raise StoreError(
                f"{text}: give --mlflow a folder, sqlite:///FILE or the address of a server"
            ) from error


def _reason(error: Exception) -> str:
    """The first line: SQLAlchemy's messages go on with the statement and a link."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or next(iter(str(error).splitlines()), type(error).__name__)
