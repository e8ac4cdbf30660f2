"""The documentation against the programme: options, defaults, files, links."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.cli import command_parser
from harness.data.formats import FORMATS
from harness.engines import DECODINGS
from harness.plugin import pytest_addoption
from harness.pocket._rows import Plan
from harness.recipes import Training
from harness.training.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / "suites").glob("*/README.md"),
        *(ROOT / "fixtures").rglob("README.md"),
        ROOT / "README.md",
    ]
)
FOREIGN = {
    "--address", "--benchmark-autosave", "--benchmark-compare", "--benchmark-only",
    "--benchmark-save", "--check", "--data-binary", "--dependency", "--force-reinstall", "--head",
    "--help", "--junitxml", "--logdir", "--lora", "--lora-modules", "--no-cache-dir", "--no-deps",
    "--parsable", "--wrap",
}  # fmt: skip
"""Options of other tools that pages name: pytest, pip, ruff, curl, vLLM, Ray, SLURM and others."""

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
ROW = re.compile(r"^\| `(--[a-z-]+)[^`]*` \| (.*?) ?\| .+\|$", re.MULTILINE)
"""A row of a table of options: its name and its default."""
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"(?<![\w/.])(?:docs|suites|fixtures|examples)/[\w/.-]+\.\w+")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


class Option(NamedTuple):
    """An option as the programme has it."""

    name: str
    default: str


def commands(
    of: argparse.ArgumentParser, name: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser; ``store ls`` is one."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from commands(child, f"{name} {word}".strip())
            return
    yield name, of


def default(action: argparse.Action) -> str:
    """What the help says in brackets at its end, as ``--help`` shows it."""
    text = (action.help or "") % {"default": action.default}
    bracket = re.search(r"\[([^\]]*)\]$", text)
    return bracket[1] if bracket else "required" if action.required else ""


def options(of: argparse.ArgumentParser) -> list[Option]:
    return [
        Option(action.option_strings[0], default(action))
        for action in of._actions
        if action.option_strings and "--help" not in action.option_strings
    ]


COMMANDS = {name: options(of) for name, of in commands(command_parser())}


class Group:
    """Takes the options that the plugin adds."""

    def __init__(self) -> None:
        self.options: list[Option] = []

    def getgroup(self, *_: str) -> Group:
        return self

    def addoption(self, name: str, **settings: Any) -> None:
        bracket = re.search(r"\[([^\]]*)\]$", settings["help"])
        self.options.append(Option(name, bracket[1] if bracket else ""))

    def addini(self, *_: Any, **__: Any) -> None:
        pass


def plugin_options() -> list[Option]:
    group: Any = Group()
    pytest_addoption(group)
    found: list[Option] = group.options
    return found


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """Text by heading of the second level."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text: str) -> list[Option]:
    return [Option(name, value.strip()) for name, value in ROW.findall(text)]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_stands_in_the_reference_with_its_default(command: str) -> None:
    told = rows(sections(read(DOCS / "reference/command-line.md"))[command])
    assert sorted(told) == sorted(COMMANDS[command])


def test_the_reference_names_every_command_and_no_other() -> None:
    assert set(sections(read(DOCS / "reference/command-line.md"))) == set(COMMANDS)


def test_every_option_of_pytest_stands_in_the_reference_with_its_default() -> None:
    told = dict(rows(read(DOCS / "reference/pytest-options.md")))
    own = dict(plugin_options())
    assert told.keys() == own.keys()
    assert told.pop("--model") == "the shipped model"  # its help has no default
    own.pop("--model")
    assert told == own


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_an_option_that_does_not_exist(page: Path) -> None:
    known = {option.name for own in COMMANDS.values() for option in own}
    known |= {option.name for option in plugin_options()} | FOREIGN
    if (options := page.parent / "conftest.py").is_file():  # a suite with options of its own
        known |= set(OPTION.findall(read(options)))
    if page.is_relative_to(ROOT / "fixtures/models"):  # cards: they say how the model was made
        known |= set(OPTION.findall(read(ROOT / "harness/pocket/__main__.py")))
        known |= {f"--{each.name.replace('_', '-')}" for each in dataclasses.fields(Plan)}
    assert set(OPTION.findall(read(page))) - known == set()


def test_training_settings_stand_in_the_reference_with_their_defaults() -> None:
    section = sections(read(DOCS / "reference/files.md"))["Training settings"]
    told = dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \| ", section, re.MULTILINE))
    own = {each.name: each.default for each in dataclasses.fields(Training)}
    del own["seed"]  # --seeds sets it
    assert told.pop("target_modules") == "attention and MLP"
    del own["target_modules"]
    for name, value in own.items():
        if isinstance(value, bool):
            assert told[name] == str(value).lower()
        elif isinstance(value, int | float):
            assert float(told[name]) == value, name
        else:
            assert told[name] == value, name
    assert set(told) - set(own) == set()


def test_presets_formats_and_decodings_are_those_that_there_are() -> None:
    files = read(DOCS / "reference/files.md")
    presets = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", sections(files)["Training settings"], re.M)
    assert set(presets) == set(PRESETS)
    decoding = sections(files)["Decoding"]
    assert all(f"`{name}`" in decoding for name in DECODINGS)
    section = sections(read(DOCS / "how-to/own-facts.md"))["Choose the formats of questions"]
    formats = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert set(formats) == {*FORMATS, "plain"}


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", read(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_link_between_pages_resolves(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", read(page))):
        if re.match(r"\w+:", link):
            continue  # another site
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_page_that_a_text_names_is_there(page: Path) -> None:
    """``docs/tutorial.md`` in a sentence, without a link."""
    for name in re.findall(
        r"(?<![\w/.])(?:docs|suites|fixtures|examples)/[\w/.-]+\.\w+", read(page)
    ):
        if name.startswith("suites/") and name.split("/")[1] in ("birds", "goose", "rivers"):
            continue  # made by the tutorial
        if "/baselines/" in name:
            continue  # made by --save-baseline
        assert (ROOT / name).exists(), name


def test_every_page_is_in_the_index() -> None:
    named = {(DOCS / link).resolve() for link in LINK.findall(read(DOCS / "README.md"))}
    assert {page.resolve() for page in DOCS.rglob("*.md")} - {DOCS / "README.md"} == named


def test_terms_are_in_alphabetical_order_and_once() -> None:
    told = re.findall(r"^\| \*?([^|*]+?)\*? \|", read(DOCS / "vocabulary.md"), re.MULTILINE)
    terms = [term.lower() for term in told[1:]]
    assert terms == sorted(set(terms))


def test_no_page_has_a_path_of_the_machine_that_wrote_it() -> None:
    for page in PAGES:
        assert not re.findall(r"/(?:root|work|home)/\w+|/tmp/\w+", read(page)), page
