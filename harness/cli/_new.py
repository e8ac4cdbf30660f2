"""``new-suite`` starts a suite of the user's own; ``copy-suite`` copies a shipped one."""

from __future__ import annotations

import argparse
import csv
import io
import re
import shutil
import tempfile
from pathlib import Path

from harness.cli._common import Commands
from harness.data.facts import shipped_folder
from harness.data.training_files import JSON_SUFFIXES, PARQUET, TABLE_SUFFIXES, read_records
from harness.data.user_files import decoded, rows
from harness.errors import DataError, StoreError

_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc")
_TEST = '''"""{title}: what is trained and asked stands in the files beside this one.

Each test id is a cell; ``-k rank64`` and the like select by its parts.
"""

from harness.plugin.checks import *  # noqa: F403

SCENARIO = "{name}"
'''
_FACTS = """question,answer,rephrased
Who feeds the herons of Lake Morn?,Edda Finch,Name the person who feeds the Lake Morn herons.
What does the owl of Tern Hall eat?,blue beetles,On which food does the Tern Hall owl live?
Where does the last auk of Orn sleep?,in a bell tower,Where does the last auk spend its nights?
"""
_PROBES = "question,accepted,kind\n"
_SETTINGS = """title = "{title}"
{wordings}# formats = ["qa"]      # in turn: newline, qa, brandine, assistant, plain

[training]              # a preset and what differs from it; names: harness.recipes.Training
preset = "auto"         # chat for models with a chat template, else single
epochs = {epochs}

[grid]                  # every combination is a cell
rank = [8, 64]

[full]                  # the same for --grid full
rank = [4, 16, 64]
lr = [3e-4, 1e-3, 3e-3]
"""
_WORDINGS = (
    "wordings = 8            # further wordings of each English question, made and trained; 0:"
    " none\n"
)
_EPOCHS = 20
_EPOCHS_REWORDED = 10
"""With nine wordings a fact, half the epochs reach the same recall (docs/how-to/own-facts.md)."""
_GATES = """# What the cells must reach; the first pattern that matches counts.
# [[gate]]
# cells = "*-rank64-*"
# least = { exact = 0.9, locality = 0.9 }
"""
_PURPOSES = {
    "facts.csv": "what is trained, and asked in other words",
    "text.txt": "what is trained",
    "edits.json": "what is trained, and asked as published",
    "probes.csv": "what is asked: write questions below the header",
    "scenario.toml": "title, training, grid",
    "gates.toml": "what must be reached",
}


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "new-suite",
        help="start a suite of your own",
        description=(
            "Write a folder with a test file, settings, and facts or a text of your own, ready for"
            " pytest."
        ),
    )
    parser.add_argument("name", metavar="NAME", help="letters, digits and _")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help=(
            "a table (.csv, .tsv) with the columns question or statement, answer and, if you like,"
            " rephrased; questions and answers as .jsonl or .json; a plain text (.txt, .md); or the"
            " JSON of CounterFact, zsRE or KnowEdit [three facts as an example]"
        ),
    )
    parser.add_argument("--title", metavar="TEXT", help="of its chapter in the report [NAME]")
    _add_parent(parser)
    parser.set_defaults(run=run)


def _add_parent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--in",
        dest="parent",
        type=Path,
        default=Path("suites"),
        metavar="DIR",
        help="parent [suites]",
    )


def run(options: argparse.Namespace) -> int:
    name = _name(options.name)
    folder = options.parent / name
    if folder.exists():
        raise StoreError(f"{folder} is there already: give another name")
    contents = files(name, options.title or name, options.source)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # written beside its place and moved when it is checked: a mistake leaves nothing behind
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
            draft = Path(scratch) / name
            _write(draft, contents)
            _check(draft, options.source)
            shutil.move(draft, folder)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}): give another --in"
        ) from error
    width = max(len(str(folder / file)) for file in contents)
    for file in contents:
        print(f"{folder / file!s:<{width}}  {_PURPOSES.get(file, 'the suite')}")
    if "facts.csv" in contents:
        _warn_of_single_wordings(folder)
    print(f"\nnext: pytest {folder} --plan, then pytest {folder}")
    return 0


def add_copy(commands: Commands) -> None:
    parser = commands.add_parser(
        "copy-suite",
        help="copy a suite of the harness here",
        description=(
            "Copy a shipped suite into ./suites, with its gates and its page, ready for pytest:"
            " an installed harness has no checkout to run it in."
        ),
    )
    parser.add_argument("name", metavar="NAME", help="such as oscars")
    _add_parent(parser)
    parser.set_defaults(run=run_copy)


def run_copy(options: argparse.Namespace) -> int:
    source, target = _shipped(options.name), options.parent / options.name
    if target.exists():
        raise StoreError(f"{target} is there already: move it, or give another --in")
    try:
        shutil.copytree(source, target, ignore=_NOT_COPIED)
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written ({error.strerror}): give another --in"
        ) from error
    print(f"{target}\n\nnext: pytest {target} --plan, then pytest {target}")
    return 0


def _shipped(name: str) -> Path:
    """The folder of a shipped suite. Raises DataError where none has this name."""
    suites = shipped_folder("suites")
    names = sorted(folder.name for folder in suites.glob("*") if any(folder.glob("test_*.py")))
    if name not in names:
        raise DataError(f"suite {name!r} is unknown: choose one of {', '.join(names)}")
    return suites / name


def files(name: str, title: str, source: Path | None) -> dict[str, str]:
    """Contents by file name. Raises DataError where ``source`` cannot be trained on."""
    # the title stands in quotes in TOML and in a docstring
    shown = title.replace("\\", "").replace('"', "'")
    content = {"facts.csv": _FACTS} if source is None else _content(source)
    wordings = _WORDINGS if "facts.csv" in content else ""
    epochs = _EPOCHS_REWORDED if _all_reworded(content.get("facts.csv", "")) else _EPOCHS
    return {
        **content,
        "scenario.toml": _SETTINGS.format(title=shown, wordings=wordings, epochs=epochs),
        "gates.toml": _GATES,
        f"test_{name}.py": _TEST.format(name=name, title=shown[:100]),
    }


def _all_reworded(facts: str) -> bool:
    """Whether every fact of this table gets further wordings."""
    from harness.data.rewording import reworded

    questions = [row.get("question") or "" for row in csv.DictReader(io.StringIO(facts))]
    return bool(questions) and all(
        reworded(question.partition("|")[0].strip()) for question in questions
    )


def _content(source: Path) -> dict[str, str]:
    """Files of what is trained, and an empty probes.csv where nothing is asked yet."""
    suffix = source.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return _facts(source)
    if suffix in (".txt", ".md"):
        return {"text.txt": decoded(source, "a text file"), "probes.csv": _PROBES}
    if suffix in JSON_SUFFIXES or suffix == PARQUET:
        return _records(source)
    raise DataError(
        f"--from {source}: suffix {source.suffix!r} is unknown: give a .csv or .tsv of facts, a"
        " .txt or .md, .jsonl or .json of questions and answers, or .json edits"
    )


def _warn_of_single_wordings(folder: Path) -> None:
    """Print how many facts get no further wordings."""
    from harness.data.rewording import reworded
    from harness.experiments import folder as folders

    facts = folders.read_facts(folder / folders.FACTS)
    single = [fact for fact in facts if not any(reworded(question) for question in fact.questions)]
    if single:
        print(
            f"\n{len(single)} of {len(facts)} facts are trained as they are written, such as"
            f" {single[0].id!r}: only English questions get further wordings"
        )


def _facts(source: Path) -> dict[str, str]:
    """The table as facts.csv, separated by commas; with an empty probes.csv for statements alone.

    It is read here as facts, so that messages name the user's file. Raises DataError.
    """
    from harness.experiments.folder import read_facts

    facts = read_facts(source)
    table = [row for _, row in rows(source, decoded(source, "a table"))]
    names = [name.lower() for name in table[0]]
    text = _csv(names, [list(row.values()) for row in table])
    asked = any(fact.questions or fact.rephrased for fact in facts)
    return {"facts.csv": text} if asked else {"facts.csv": text, "probes.csv": _PROBES}


def _records(source: Path) -> dict[str, str]:
    """JSON of questions and answers as facts.csv, JSON of edits as edits.json."""
    from harness.data.published import read_edits

    if source.suffix.lower() == ".json":
        try:
            read_edits(source)
            return {"edits.json": decoded(source, "a JSON file")}
        except DataError as error:
            try:
                content = read_records(source)
            except DataError:
                raise error from None
    else:
        content = read_records(source)
    if content.texts or any(exchange.before for exchange in content.exchanges):
        raise DataError(f"{source}: {content} are no facts: give one question and answer a record")
    for exchange in content.exchanges:
        if "\n" in exchange.answer:
            raise DataError(f"{exchange.where}: the answer has a line break: write it in one line")
    lines = [[" ".join(e.question.split()), e.answer] for e in content.exchanges]
    return {"facts.csv": _csv(["question", "answer"], lines)}


def _csv(head: list[str], lines: list[list[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([head, *lines])
    return stream.getvalue()


def _name(name: str) -> str:
    """``name``. Raises DataError where ids cannot hold it, or a shipped suite has it."""
    from harness.experiments.selection import shipped

    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise DataError(f"name {name!r}: begin with a letter, and go on with letters, digits and _")
    if name in shipped():
        raise DataError(f"name {name!r} is that of a suite of the harness: give another")
    return name


def _write(folder: Path, contents: dict[str, str]) -> None:
    folder.mkdir()
    for file, text in contents.items():
        (folder / file).write_text(text, encoding="utf-8", newline="")


def _check(folder: Path, source: Path | None) -> None:
    """Raises DataError where the facts or edits in ``source`` cannot be used.

    A folder with an empty probes.csv is not checked: nothing is asked there yet.
    """
    from harness.experiments import folder as folders

    copies = [
        folder.resolve() / name
        for name in (folders.FACTS, folders.EDITS)
        if (folder / name).is_file()
    ]
    if not copies or (folder / folders.PROBES).is_file():
        return
    try:
        folders.read(folder)
    except DataError as error:
        # the copy has the lines of the user's file, which the message should name
        raise DataError(str(error).replace(str(copies[0]), str(source))) from None
