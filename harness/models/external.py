"""External adapters: found by what ``--adapter`` says, checked, and matched with bases."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from harness.errors import ModelError, RecipeError
from harness.models.adapters import CONFIG, WEIGHTS, check_files, lora_config
from harness.models.loading import SHIPPED, base_of, shipped_content
from harness.recipes import Base, ExternalAdapter
from harness.store import content_of

_SERVED = "served:"
_USAGE = "write [NAME=]WHAT[:SCALE], where WHAT is a folder, FILE.gguf or served:NAME-ON-THE-SERVER"
_TAKES = {"folder": "PEFT folders", "gguf": ".gguf files", "served": "served:NAME"}
"""Values of ``Base.takes`` in words, for messages."""


class ScaledAdapter(NamedTuple):
    """An external adapter, and the factor of its update."""

    adapter: ExternalAdapter
    scale: float


def scaled_adapter(text: str) -> ScaledAdapter:
    """The adapter that ``text`` names: ``[NAME=]WHAT[:SCALE]``.

    WHAT is a PEFT folder, a ``.gguf`` file, or ``served:`` and a name on the server. NAME defaults
    to the last part of the path, or to the name on the server, with ``_`` for every character that
    no word has. SCALE defaults to 1. A path that exists is taken whole, even with ``=`` or ``:`` in
    it.

    Raises:
        RecipeError: NAME is not a word (it becomes part of ids), or SCALE is not a number.
        ModelError: there is no adapter at WHAT, or it is not a whole LoRA.
    """
    name, rest = _split_name(text)
    what, scale = _split_scale(text, rest)
    if not what or what == _SERVED:
        raise RecipeError(f"--adapter {text}: {_USAGE}")
    if what.startswith(_SERVED):
        on_server = what.removeprefix(_SERVED)
        adapter = ExternalAdapter(on_server, "served", name or _word(on_server), on_server)
        return ScaledAdapter(adapter, scale)
    path = Path(what).expanduser()
    resolved = path.resolve()
    if what.endswith(".gguf"):
        content = _content(path)
        adapter = ExternalAdapter(content, "gguf", name or _word(resolved.stem), str(resolved))
        return ScaledAdapter(adapter, scale)
    if not (path / CONFIG).is_file():
        raise ModelError(f"{path} holds no adapter (no {CONFIG}): {_USAGE}")
    check_files(path)
    content = _content(path / CONFIG, path / WEIGHTS)
    adapter = ExternalAdapter(content, "folder", name or _word(resolved.name), str(resolved))
    return ScaledAdapter(adapter, scale)


def _split_name(text: str) -> tuple[str, str]:
    """NAME (empty without one) and the rest of ``text``."""
    name, equals, rest = text.partition("=")
    # an "=" after a "/" or ":" belongs to a path, or to a name on a server
    if not equals or "/" in name or ":" in name or _is_path(text):
        return "", text
    if not re.fullmatch(r"\w+", name):
        raise RecipeError(f"--adapter {text}: {_USAGE}, with letters, digits and _ in NAME")
    return name, rest


def _split_scale(text: str, rest: str) -> tuple[str, float]:
    """WHAT and SCALE of ``rest``, the part of ``text`` behind NAME."""
    start = len(_SERVED) if rest.startswith(_SERVED) else 0
    what, colon, number = rest[start:].rpartition(":")
    if not colon or _is_path(rest):
        return rest, 1.0
    try:
        scale = float(number)
    except ValueError:
        if start:  # names on a server may hold a colon
            return rest, 1.0
        scale = math.nan
    if not math.isfinite(scale):
        raise RecipeError(
            f"--adapter {text}: {number!r} is not a scale, write a number such as 0.5"
        )
    return rest[:start] + what, scale


def _is_path(text: str) -> bool:
    return Path(text).expanduser().exists()


def _word(text: str) -> str:
    """``text`` with ``_`` for every character that no word has."""
    return re.sub(r"\W", "_", text)


def fitting(adapter: ExternalAdapter, bases: Iterable[Base]) -> list[Base]:
    """The bases among ``bases`` that can take ``adapter``.

    Its form must be the one that the base takes. Where it has a manifest of the harness, the base
    must be the one that the manifest names.

    Raises:
        ModelError: there is none; the line says why.
    """
    bases = list(bases)
    candidates = [base for base in bases if base.takes == adapter.form]
    if not candidates:
        takes = ", ".join(f"{base.name} takes {_TAKES[base.takes]}" for base in bases)
        raise ModelError(
            f"adapter {adapter.name} ({adapter.path}) goes on none of the models: {takes}"
        )
    if adapter.form != "folder":
        return candidates
    content = base_content(Path(adapter.path))
    matches = [base for base in candidates if content in (None, base.content)]
    if not matches:
        check_trained_on(Path(adapter.path), candidates[0])  # raises
    return matches


def check_trained_on(folder: Path, base: Base) -> None:
    """Check that the adapter in ``folder`` was trained on ``base``.

    Raises:
        ModelError: there is no whole LoRA in ``folder``, or its manifest names another base.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder} holds no adapter (no {CONFIG}): give the --out of a training")
    check_files(folder)
    content = base_content(folder)
    if content not in (None, base.content):
        raise ModelError(
            f"{folder} was trained on another base ({content[:12]}) than {base.name}"
            f" ({base.content[:12]}): give that one as --model"
        )


def full_base(folder: Path) -> Path:
    """The folder of the full base on which the adapter in ``folder`` was trained.

    That is the shipped model where the manifest names it, else the folder (or the hub id of a model
    that is on this machine) in adapter_config.json. Nothing is downloaded.

    Raises:
        ModelError: that model is not on this machine.
    """
    if (content := base_content(folder)) and content == shipped_content():
        return SHIPPED
    name = lora_config(folder).get("base_model_name_or_path") or ""
    path = Path(name).expanduser() if name else None
    if path and not path.is_dir():
        path = _downloaded(name)
    if path is None:
        raise ModelError(
            f"{folder} cannot be converted for a .gguf base: its base {name!r} is not on this"
            f" machine, name its folder as base_model_name_or_path in {CONFIG}"
        )
    if content:
        check_trained_on(folder, base_of(path))
    return path


def _downloaded(hub_id: str) -> Path | None:
    """The snapshot of ``hub_id`` on this machine; None where there is none."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, local_files_only=True))
    except Exception:  # the client's errors share no base class, and all mean that it is not here
        return None


def base_content(folder: Path) -> str | None:
    """Content of the base that the manifest names; None for an adapter of another tool.

    Of a dequantised base it is the content of the GGUF file.
    """
    try:
        text = (folder / "manifest.json").read_text(encoding="utf-8")
        base = json.loads(text)["recipe"]["base"]
        return str(base.get("content") or base["base"]["content"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _content(*files: Path) -> str:
    """SHA-256 over the suffix and the SHA-256 of each file. Raises ModelError."""
    try:
        return content_of((path.suffix, path) for path in files)
    except OSError as error:
        raise ModelError(
            f"adapter {error.filename} cannot be read ({error.strerror}): {_USAGE}"
        ) from error
