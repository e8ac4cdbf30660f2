"""examples/slurm.sh, as the tasks of a job array run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.project import Project

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "slurm.sh"


def test_the_tasks_of_a_job_array_build_all_that_the_report_needs(project: Project) -> None:
    project.suite("birds")
    own = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTEST_ADDOPTS": "-p harness.plugin -p no:cacheprovider",
        "STORE": str(project.path / "shared"),
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_ARRAY_TASK_COUNT": "2",
    }
    for task in ("1", "2"):
        done = subprocess.run(
            ["bash", str(SCRIPT), "suites/birds", "--model", str(project.model)],
            cwd=project.path, env={**own, "SLURM_ARRAY_TASK_ID": task}, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    said = project.harness(
        "report", "birds", "--model", str(project.model), "--store", own["STORE"]
    )
    assert "birds: 2 cells, none missing" in said
    found = json.loads((project.path / "reports" / "RESULTS.json").read_text())["results"]
    assert sum(result["status"] == "ok" for result in found) == 2
