"""``train`` makes an adapter from a file; ``answer`` asks a model, with adapters or without."""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.cli._common import Commands, add_device, add_store, counted, size
from harness.data.formats import FORMATS, ask
from harness.data.training_files import TABLE_SUFFIXES, read_records, table_records
from harness.data.user_files import decoded, separator_of, without_preamble
from harness.engines import DECODINGS, HF, Engine, decoding, trainable
from harness.errors import DataError, ModelError, RecipeError, StoreError
from harness.models.loading import SHIPPED, located, shipped_content
from harness.recipes import (
    Adapter,
    Dataset,
    Decoding,
    Dequantised,
    ExternalAdapter,
    GgufBase,
    Recipe,
    Training,
    changed,
)
from harness.store import Artefact, Store
from harness.training import OnStep
from harness.training.presets import PRESETS, preset

DIVERGED = 1
"""Exit code after a training whose loss ran away."""
KNOWN = "known"
"""For ``--replay``: what the shipped model knows."""
RAW = "raw"
"""For ``--format``: prompts as they are."""
_AT_ONCE = 64
"""Prompts that are answered before their answers are printed."""


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
        help="training setting [single on the shipped model, seed2023 on others]",
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
        "--format", default="qa", choices=sorted(FORMATS), help="the format of questions [qa]"
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        help=(
            "text to mix in, so that it is not forgotten; known: the facts of the shipped model"
            " [known on the shipped model]"
        ),
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the adapter goes"
    )
    add_store(parser)
    add_device(parser)
    parser.set_defaults(run=run_train)


def run_train(options: argparse.Namespace) -> int:
    from harness.builds import Job, Plan, build, launch_here

    base = trainable(options.model)
    shipped = base.content == shipped_content()
    start = preset(options.preset or ("single" if shipped else "seed2023"))
    training = changed(start, options.set, "--set")
    replay = _replay(options.replay, options.format, training, shipped)
    dataset, content = read(options.text, options.format)
    recipe = Adapter(HF.training(base, dataset), dataset, training, replay)
    # before the training: a mistake in --out should not cost it
    free(options.out)
    print(f"{options.text}: {content}", file=sys.stderr)
    store = Store(options.store)

    def make(recipe: Recipe, on_step: OnStep | None = None) -> Artefact:
        return build(recipe, store, options.device, on_step)

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
        dataset = Dataset.of(path.stem, tuple(samples_of_facts(facts, (form,))))
        return dataset, f"{counted(len(facts), 'fact')} from a table"
    content = table_records(path, text, separator)
    return Dataset.of(path.stem, content.samples(form)), str(content)


def _replay(replay: str | None, form: str, training: Training, shipped: bool) -> Dataset | None:
    """What is mixed in: ``replay``, or for the shipped model what that knows."""
    contrastive = training.init == "contrastive"
    if not training.replay and not contrastive:
        if replay:
            raise RecipeError(
                f"--replay {replay} is given, but replay is 0: --set replay=1 mixes it in"
            )
        return None
    replay = replay or (KNOWN if shipped else None)
    if not replay:
        reason = "init is contrastive" if contrastive else f"replay is {training.replay:g}"
        without = "init=kaiming replay=0" if contrastive else "replay=0"
        raise RecipeError(
            f"{reason}, but there is no text to replay: give one as --replay FILE"
            f" (--replay {KNOWN} for the shipped model), or --set {without}"
        )
    if replay == KNOWN:
        from harness.data import knowledge

        return knowledge.replay()
    return read(Path(replay), form)[0]


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


def add_answer(commands: Commands) -> None:
    parser = commands.add_parser(
        "answer",
        help="ask a model, with or without adapters",
        description=(
            "Print one answer a line. Without PROMPT the prompts are read from stdin, one a line."
        ),
    )
    parser.add_argument("prompts", nargs="*", metavar="PROMPT")
    parser.add_argument(
        "--model",
        default=SHIPPED,
        metavar="MODEL",
        help="folder, hub id, .gguf file, smollm2 or openai:NAME@URL [the shipped model]",
    )
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="[NAME=]WHAT[:SCALE]",
        help="a PEFT folder, a .gguf file or served:NAME; repeatable, they add up",
    )
    parser.add_argument(
        "--decoding",
        default="deterministic",
        metavar="NAME[,FIELD=VALUE...]",
        help=f"how text is generated: {', '.join(DECODINGS)} [deterministic]",
    )
    parser.add_argument(
        "--format",
        default=RAW,
        choices=[RAW, *sorted(FORMATS)],
        help=(
            "raw: the model continues the prompt as it is; else it is a question in this format"
            " [raw]"
        ),
    )
    parser.add_argument(
        "--dtype", default="float32", choices=["float32", "bfloat16"], help="[%(default)s]"
    )
    add_store(parser)
    add_device(parser)
    parser.set_defaults(run=run_answer)


def run_answer(options: argparse.Namespace) -> int:
    if not options.prompts and sys.stdin.isatty():
        raise DataError("no prompt: give some, or pipe them in, one a line")
    settings = decoding(options.decoding)
    with TemporaryDirectory(prefix="lora-memory-") as scratch:
        engine, stack = _opened(options, Path(scratch))
        prompts = options.prompts or _lines()
        if options.format != RAW:
            prompts = [ask(options.format, p) if p.strip() else p for p in prompts]
        with engine.with_stack(stack):
            for answer in answers(engine, prompts, settings):
                print(" ".join(answer.splitlines()), flush=True)
    return 0


def _opened(options: argparse.Namespace, scratch: Path) -> tuple[Engine, list[tuple[Path, float]]]:
    """The engine of ``--model``, and what it loads of each ``--adapter``, with its scale.

    Adapters are checked before the model is loaded. PEFT folders for a .gguf base are converted
    into the folder ``scratch``.
    """
    from harness.engines import engine_for, served
    from harness.models.external import fitting, scaled_adapter
    from harness.models.loading import base_of

    model = str(located(options.model))
    adapters = [scaled_adapter(text) for text in options.adapter]
    if served(model):
        takes = "served"
    elif model.endswith(".gguf"):
        takes = "gguf"
    else:
        takes = "folder"
        base = base_of(model)
        for adapter, _ in adapters:
            fitting(adapter, [base])  # raises where it does not fit
    stack = [
        (_weights(adapter, model, takes, scratch, options.store), scale)
        for adapter, scale in adapters
    ]
    return engine_for(model, options.dtype, options.device), stack


def _weights(adapter: ExternalAdapter, model: str, takes: str, scratch: Path, store: Path) -> Path:
    """What the engine of ``model`` loads of ``adapter``: a folder, a file or a server's name.

    Raises:
        ModelError: ``model`` takes adapters of another form, and a conversion is not possible.
    """
    path = Path(adapter.path)
    if takes == "gguf" and adapter.form == "folder":
        from harness.models.external import full_base
        from harness.models.gguf import convert_adapter

        file = scratch / f"{adapter.content}.gguf"
        base = _dequantised(path, model, store) or full_base(path)
        convert_adapter(path, base, file)
        return file
    if takes != adapter.form:
        wanted = {"folder": "a PEFT folder", "gguf": "a .gguf file", "served": "served:NAME"}[takes]
        raise ModelError(f"adapter {adapter.path} does not go on {model}: give {wanted}")
    return path


def _dequantised(adapter: Path, model: str, store: Path) -> Path | None:
    """The folder of the GGUF file ``model``, if ``adapter`` was trained on that file; else None.

    It is built where ``store`` has lost it.
    """
    from harness.builds import build
    from harness.engines import identify
    from harness.models.external import base_content

    base = identify(model)
    if not isinstance(base, GgufBase) or base_content(adapter) != base.content:
        return None
    return build(Dequantised.of(base), Store(store)).path


def answers(engine: Engine, prompts: Iterable[str], settings: Decoding) -> Iterator[str]:
    """One answer for each prompt, batch by batch; the answer to an empty prompt is empty."""
    texts = list(prompts)
    for start in range(0, len(texts), _AT_ONCE):
        batch = texts[start : start + _AT_ONCE]
        results = iter(engine.answer([p for p in batch if p.strip()], settings))
        # prompts from a pipe and their answers stay in step
        yield from (next(results)[0] if p.strip() else "" for p in batch)


def _lines() -> list[str]:
    try:
        return [line.removesuffix("\n") for line in sys.stdin]
    except UnicodeDecodeError as error:
        raise DataError(f"stdin is not UTF-8 ({error.reason}): pipe text in UTF-8") from error
