"""Adapters that were made elsewhere: what ``--adapter NAME=WHAT`` means, and on which models one
goes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from harness.errors import ModelError, RecipeError
from harness.models.adapters import check_files
from harness.recipes import Base, ExternalAdapter

_SERVED = "served:"
_FORM = "write NAME=FOLDER, NAME=FILE.gguf or NAME=served:NAME-ON-THE-SERVER"


def external_adapter(text: str) -> ExternalAdapter:
    """``NAME=WHAT``: a PEFT folder, a ``.gguf`` file, or ``served:`` and a name, which may then do
    without ``NAME=``.

    Raises:
        RecipeError: NAME is missing or is no word, as it becomes part of ids.
        ModelError: there is no adapter at WHAT, or a folder with one that is no whole LoRA.
    """
    name, equals, what = (
        text if not text.startswith(_SERVED) else f"{_named(text)}={text}"
    ).partition("=")
    if not equals or not what or not re.fullmatch(r"\w+", name):
        raise RecipeError(f"--adapter {text}: {_FORM}, with letters, digits and _ in NAME")
    if what.startswith(_SERVED):
        on_server = what.removeprefix(_SERVED)
        return ExternalAdapter(on_server, "served", name, on_server)
    path = Path(what).expanduser()
    if what.endswith(".gguf"):
        return ExternalAdapter(_content([path]), "gguf", name, str(path.resolve()))
    config, weights = path / "adapter_config.json", path / "adapter_model.safetensors"
    if not config.is_file():
        raise ModelError(f"{path} holds no adapter (no adapter_config.json): {_FORM}")
    check_files(path)
    return ExternalAdapter(_content([config, weights]), "folder", name, str(path.resolve()))


def fitting(adapter: ExternalAdapter, bases: Iterable[Base]) -> list[Base]:
    """Those of ``bases`` on which ``adapter`` goes: by its form, and by its manifest where it has
    one of ours.

    Raises:
        ModelError: there are none; the line says why.
    """
    alike = [base for base in bases if base.takes == adapter.form]
    if not alike:
        wanted = ", ".join(f"{base.name} takes {_words(base)}" for base in bases)
        raise ModelError(
            f"adapter {adapter.name} ({adapter.path}) goes on none of the models: {wanted}"
        )
    if adapter.form != "folder":
        return alike
    content = _base_of(Path(adapter.path))
    found = [base for base in alike if content in (None, base.content)]
    if not found:
        trained_on(Path(adapter.path), alike[0])
    return found


def trained_on(folder: Path, base: Base) -> None:
    """Raises ModelError where ``folder`` holds no whole LoRA, or its manifest names
    another base."""
    if not (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"{folder} holds no adapter (no adapter_config.json): give the --out of a training"
        )
    check_files(folder)
    content = _base_of(folder)
    if content not in (None, base.content):
        raise ModelError(
            f"{folder} was trained on another base ({content[:12]}) than {base.name}"
            f" ({base.content[:12]}): give that one as --model"
        )


def _base_of(folder: Path) -> str | None:
    """Content of the base that the manifest names; None for an adapter of another tool: its engine
    finds out."""
    try:
        on = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["recipe"]["base"]
        return str(on.get("content") or on["base"]["content"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _content(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as stream:
                total.update(
                    f"{path.suffix}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode()
                )
        except OSError as error:
            raise ModelError(
                f"adapter {path} cannot be read ({error.strerror}): {_FORM}"
            ) from error
    return total.hexdigest()


def _named(text: str) -> str:
    return re.sub(r"\W", "_", text.removeprefix(_SERVED))


def _words(base: Base) -> str:
    return {"folder": "PEFT folders", "gguf": ".gguf files", "served": "served:NAME"}[base.takes]
