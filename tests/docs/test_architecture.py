"""The order of the rooms: the page shows the one that import-linter checks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/architecture.md"
MOST_LINES = 400
MOST_COLUMNS = 100


def layers() -> list[set[str]]:
    """The contract, from the top down; ``harness.__main__`` only starts the command line."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    named = [{room.strip() for room in layer.split("|")} for layer in contract["layers"]]
    return [layer for layer in named if layer != {"harness.__main__"}]


def python_files() -> list[Path]:
    return [path for room in ("harness", "suites") for path in sorted((ROOT / room).rglob("*.py"))]


def test_the_page_shows_the_contract() -> None:
    rows = re.findall(r"^\| (`harness\.[^|]*) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [set(re.findall(r"`(harness\.\w+)`", row)) for row in rows] == layers()


def test_the_contract_names_every_room() -> None:
    rooms = {
        f"harness.{path.stem}"
        for path in (ROOT / "harness").iterdir()
        if path.is_dir() != (path.suffix == ".py") and not path.name.startswith("__")
    }
    assert rooms == set().union(*layers())


def test_no_file_is_long_or_wide() -> None:
    for path in python_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= MOST_LINES, path
        assert max(map(len, lines), default=0) <= MOST_COLUMNS, path


def test_suites_do_not_import_each_other() -> None:
    for path in (ROOT / "suites").rglob("*.py"):
        assert not re.search(r"^(from|import) suites", path.read_text(encoding="utf-8"), re.M), path
