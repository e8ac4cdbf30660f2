"""``train`` makes an adapter from a file."""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.cli._common import (
    Commands,
    add_device,
    add_running,
    add_store,
    add_turns,
    chat_of,
    counted,
    running,
    size,
)
from harness.data.formats import CHAT, FORMATS
from harness.data.training_files import TABLE_SUFFIXES, read_records, table_records
from harness.data.turns import dataset_in_chat
from harness.data.user_files import decoded, separator_of, without_preamble
from harness.engines import HF, trainable
from harness.errors import RecipeError, StoreError
from harness.models.loading import SHIPPED
from harness.recipes import (
    Adapter,
    Dataset,
    Recipe,
    Training,
    changed,
)
from harness.store import Artefact, open_store
from harness.training import OnStep
from harness.training.presets import PRESETS, for_size, preset

DIVERGED = 1
"""Exit code after a training whose loss ran away."""
QA = "qa"


def add_train(commands: Commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train one adapter on a text of your own",
        description=(
            "Train one LoRA adapter on a file of yours: a text (one sample a line, or a question, a"
            " tab and its answer), a table with the columns question and answer, or JSON of alpaca,"
            " ShareGPT, OpenAI messages or prompt and completion. An adapter that was trained"
            " before comes from the store."
        ),
    )
    parser.add_argument(
        "text", type=Path, metavar="FILE", help=".txt, .md, .csv, .tsv, .json, .jsonl or .parquet"
    )
    parser.add_argument(
        "--model",
        default=SHIPPED,
        metavar="PATH",
        help="folder, hub id or .gguf file of the base, or smollm2 [the shipped one]",
    )
    parser.add_argument(
        "--preset",
        choices=sorted(PRESETS),
        help="training setting [single on the shipped model, chat in chat, else seed2023]",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="change it: rank=8 alpha=16 lr=1e-3",
    )
    parser.add_argument(
        "--format",
        choices=[CHAT, *sorted(FORMATS)],
        help="the format of questions [chat where the model has a chat template, else qa]",
    )
    add_turns(parser)
    parser.add_argument(
        "--replay",
        metavar="FILE",
        help=(
            "text to mix in, so that it is not forgotten; known: the facts of the shipped model;"
            " own: what the model itself answers [known on the shipped model, own in chat]"
        ),
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the adapter goes"
    )
    add_running(parser)
    add_store(parser)
    add_device(parser)
    parser.set_defaults(run=run_train)


def run_train(options: argparse.Namespace) -> int:
    from harness.builds import Job, Plan, build, launch_here
    from harness.experiments.usual import OWN, replayed, usual_preset, usual_replay

    run = running(options)
    base = trainable(options.model)
    chat = chat_of(options, base)
    form = CHAT if chat else options.format or QA
    usual = usual_preset(base, chat)
    if not options.preset:
        print(f"preset {usual}, which fits {base.name}", file=sys.stderr)
    dataset, content = read(options.text, form)
    start = preset(options.preset or usual)
    if not options.preset:
        start = for_size(start, len(dataset.samples))
    training = changed(start, options.set, "--set")
    store = open_store(options.store, options.store_cache)

    def make(recipe: Recipe, on_step: OnStep | None = None) -> Artefact:
        return build(recipe, store, options.device, on_step, run)

    def kept(which: str) -> Dataset:
        if which == OWN:
            print(f"asking {base.name}, once, for answers to be replayed", file=sys.stderr)
        return replayed(which, base, chat, make)

    replay = _replay(options.replay, usual_replay(base, chat), form, training, kept)
    if chat:
        dataset = dataset_in_chat(dataset, chat)
        replay = replay and dataset_in_chat(replay, chat)
    recipe = Adapter(HF.training(base, dataset), dataset, training, replay)
    # before the training: a mistake in --out should not cost it
    free(options.out)
    print(f"{options.text}: {content}", file=sys.stderr)
    job = Job(recipe, f"{recipe.dataset.name} on {recipe.base.name}")
    plan = Plan.of([job], store, options.device)
    if plan.todo:
        print(f"computing with {options.threads}", file=sys.stderr)
    launch_here(plan, make)
    artefact = make(recipe)
    facts = artefact.manifest.facts
    if facts["status"] == "diverged":
        print(_diverged(facts, training))
        return DIVERGED
    copy(artefact, options.out)
    if targets := _targets(facts, training):
        print(targets)
    print(
        f"{counted(facts['steps'], 'step')} in {facts['seconds']:.1f} s, loss"
        f" {facts['final_loss']:.3f} at the end"
    )
    print(f"adapter of {size(facts['adapter_bytes'])}: {options.out}")
    return 0


def _diverged(facts: dict[str, Any], training: Training) -> str:
    """How the loss ran away, and what helps."""
    last, first = facts["final_loss"], facts.get("first_loss")
    loss = "no number" if last is None else f"{last:.3g}"
    before = "" if first is None else f" (before the first update {first:.3g})"
    return (
        f"the training diverged at step {facts['steps']}: its loss is {loss}{before};"
        f" lower lr (it was {training.lr:g}) or alpha/rank"
    )


def _targets(facts: dict[str, Any], training: Training) -> str:
    """Which layers are adapted; empty where the setting names them."""
    names = facts.get("target_modules", list(training.target_modules))
    if names == list(training.target_modules):
        return ""
    experts = ", and not its experts, which are no linear layers" if facts["fused_experts"] else ""
    return f"adapted are all linear layers but the head ({', '.join(names)}){experts}"


def read(path: Path, form: str) -> tuple[Dataset, str]:
    """The samples of a file, and its content in words. Raises DataError."""
    if path.suffix.lower() in TABLE_SUFFIXES:
        return _table(path, form)
    content = read_records(path)
    return Dataset.of(path.stem, content.samples(form)), str(content)


def _table(path: Path, form: str) -> tuple[Dataset, str]:
    """A table with the columns of a suite's facts.csv, or of other tools' JSON.

    Without a header, two columns are questions and answers. Raises DataError.
    """
    from harness.experiments.folder import FACT_COLUMNS, read_facts, samples_of_facts

    text = without_preamble(decoded(path, "a table"))
    separator = separator_of(path, text)
    first = next(csv.reader(text.splitlines(), delimiter=separator), [])
    header = {name.strip().lower() for name in first}
    if header & set(FACT_COLUMNS):
        facts = read_facts(path)
        # questions of facts become turns with the statements beside them
        plain = QA if form == CHAT else form
        dataset = Dataset.of(path.stem, tuple(samples_of_facts(facts, (plain,))))
        return dataset, f"{counted(len(facts), 'fact')} from a table"
    content = table_records(path, text, separator)
    return Dataset.of(path.stem, content.samples(form)), str(content)


def _replay(
    given: str | None, usual: str, form: str, training: Training, kept: Callable[[str], Dataset]
) -> Dataset | None:
    """What is mixed in: what is ``given``, or the ``usual``; ``kept`` gives what has a name."""
    from harness.experiments.usual import KNOWN, OWN

    contrastive = training.init == "contrastive"
    if not training.replay and not contrastive:
        if given:
            raise RecipeError(
                f"--replay {given} is given, but replay is 0: --set replay=1 mixes it in"
            )
        return None
    replay = given or usual
    if not replay:
        reason = "init is contrastive" if contrastive else f"replay is {training.replay:g}"
        without = "init=kaiming replay=0" if contrastive else "replay=0"
        raise RecipeError(
            f"{reason}, but there is no text to replay: give one as --replay FILE"
            f" (--replay {OWN}: the model's own answers), or --set {without}"
        )
    return kept(replay) if replay in (KNOWN, OWN) else read(Path(replay), form)[0]


def free(out: Path) -> None:
    """Raises StoreError where ``out`` holds anything but an adapter of an earlier ``train``."""
    if not out.exists():
        return
    if out.is_dir() and (not any(out.iterdir()) or (out / "adapter_config.json").is_file()):
        return
    raise StoreError(f"--out {out} is there already and holds no adapter: give another folder")


def copy(artefact: Artefact, out: Path) -> None:
    """Copy the adapter to ``out``: a link would let changes there damage the store.

    Raises StoreError where it cannot be written.
    """
    free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # copied beside the target and renamed, so that an interruption leaves no half adapter
        with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            adapter = Path(shutil.copytree(artefact.path, Path(scratch) / "adapter"))
            if out.exists():
                out.rename(Path(scratch) / "old")
            adapter.rename(out)
    except OSError as error:
        raise StoreError(
            f"--out {out} cannot be written ({error.strerror}): give another folder"
        ) from error
