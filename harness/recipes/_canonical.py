"""Canonical JSON and digests of recipes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

SCHEMA = 1
"""Raised when the meaning of a recipe's fields changes, so that old artefacts are not mistaken for new."""

NOT_IN_DIGEST = {"digest": False}
"""``field(metadata=NOT_IN_DIGEST)``: carried along, but without a say in what is made."""

UNLESS_DEFAULT = {"digest": "unless default"}
"""``field(default=..., metadata=UNLESS_DEFAULT)``: a field that came later; recipes without it keep their digests."""


def plain(value: Any) -> Any:
    """A recipe as JSON-ready values: dataclasses become objects with their ``kind``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if _decides(f, value)}
        return {"kind": type(value).__name__, **{name: plain(held) for name, held in fields.items()}}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def _decides(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether ``field`` of ``value`` has a say in the digest."""
    rule = field.metadata.get("digest", True)
    return bool(rule) and not (rule == UNLESS_DEFAULT["digest"] and getattr(value, field.name) == field.default)


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, shortest float form, UTF-8."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest(value: Any) -> str:
    """The recipe's name in the store: the first 24 hex digits of its canonical JSON's SHA-256."""
    return sha256(f"{SCHEMA}:{canonical(value)}")[:24]
