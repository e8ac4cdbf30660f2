"""``python -m harness.pocket``: train the shipped model or its writer, measure, or average models.

``train FOLDER`` continues from the last checkpoint in FOLDER, where there is one.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from harness.errors import HarnessError
from harness.pocket._card import write_card
from harness.pocket._rows import Plan
from harness.pocket._train import average, train
from harness.pocket._writer import train_writer

_ONLY = ("", "judging")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m harness.pocket", description=__doc__)
    parser.add_argument(
        "task",
        choices=["train", "card", "average", "writer"],
        help=(
            "train: train a model; card: measure the model in FOLDER and write its card;"
            " average: average the model --start with --later, which was trained on from it;"
            " writer: train the adapter with which the shipped model writes about passages"
        ),
    )
    parser.add_argument("folder", type=Path, help="folder of checkpoint, log and final model")
    parser.add_argument("--device", help="cpu or cuda [cuda where there is one]")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that generate the text; a GPU needs about 12 [1]",
    )
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints [500]")
    parser.add_argument(
        "--command",
        default="python -m harness.pocket train FOLDER",
        help="for the card: the command that made the model",
    )
    parser.add_argument(
        "--later", type=Path, help="for average: the model that was trained on from --start"
    )
    parser.add_argument(
        "--share", type=float, default=0.75, help="for average: the weight of --later [0.75]"
    )
    parser.add_argument("--writer", type=Path, help="for card: the folder of the model's writer")
    for field in fields(Plan):
        name = f"--{field.name.replace('_', '-')}"
        choices = _ONLY if field.name == "only" else None
        parser.add_argument(name, type=type(field.default), default=field.default, choices=choices)
    args = parser.parse_args()
    if args.workers < 1:
        parser.error(f"--workers is {args.workers}: give at least 1")
    if args.task == "card":
        write_card(args.folder, args.command, args.writer)
        return
    if args.task == "writer":
        train_writer(args.folder, args.device, Path(args.start) if args.start else None)
        return
    if args.task == "average":
        if args.later is None:
            parser.error("average needs --later: give the folder of the later model")
        average(Path(args.start), args.later, args.share, args.folder)
        return
    plan = Plan(**{field.name: getattr(args, field.name) for field in fields(Plan)})
    train(plan, args.folder, args.every, args.device, not args.eager, args.workers)


if __name__ == "__main__":
    try:
        main()
    except HarnessError as error:
        raise SystemExit(f"error: {error}") from None
