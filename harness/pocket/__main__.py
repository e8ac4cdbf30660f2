"""``python -m harness.pocket train FOLDER``: make the shipped model; run again to go on from the
last checkpoint."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from harness.errors import HarnessError
from harness.pocket._card import write_card
from harness.pocket._train import Plan, average, train

_ONLY = ("", "judging")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m harness.pocket", description=__doc__)
    parser.add_argument(
        "task",
        choices=["train", "card", "average"],
        help=(
            "make the model; measure one and write its card; average --start with --later, trained"
            " on from it"
        ),
    )
    parser.add_argument("folder", type=Path, help="where checkpoint, log and the final model go")
    parser.add_argument("--device", help="cpu or cuda; by default CUDA where there is one")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that write the text: a dozen for a GPU [1]",
    )
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument(
        "--command",
        default="python -m harness.pocket train FOLDER",
        help="for the card: how it was made",
    )
    parser.add_argument(
        "--later", type=Path, help="with average: the model that was trained on from --start"
    )
    parser.add_argument(
        "--share", type=float, default=0.75, help="with average: how much of --later [0.75]"
    )
    for field in fields(Plan):
        name, known = f"--{field.name.replace('_', '-')}", _ONLY if field.name == "only" else None
        parser.add_argument(name, type=type(field.default), default=field.default, choices=known)
    given = vars(parser.parse_args())
    if given["workers"] < 1:
        parser.error(f"--workers is {given['workers']}: at least one must write the text")
    if given["task"] == "card":
        write_card(given["folder"], given["command"])
        return
    if given["task"] == "average":
        average(Path(given["start"]), given["later"], given["share"], given["folder"])
        return
    plan = Plan(**{field.name: given[field.name] for field in fields(Plan)})
    train(
        plan, given["folder"], given["every"], given["device"], not given["eager"], given["workers"]
    )


if __name__ == "__main__":
    try:
        main()
    except HarnessError as error:
        raise SystemExit(f"error: {error}") from None
