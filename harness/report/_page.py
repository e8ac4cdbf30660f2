"""RESULTS.html: one page that needs no network, with every figure and every answer in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from string import Template

from harness.report._contents import contents
from harness.report._parts import Part

_SCRIPTS = ("model.js", "elements.js", "table.js", "scatter.js", "heat.js", "questions.js")
_LAST = "main.js"
"""Draws the page when all of it is known."""


def page(parts: Sequence[Part]) -> str:
    """The page as HTML; the same results give the same text.

    Its policy allows its own script and style by their hashes and nothing else, neither a network nor whatever an
    answer might smuggle in. Where no part has a judge, nothing of the judge's is in it.
    """
    judged = any(part.judging for part in parts)
    section, own_style, own_script = (_file(f"judge.{kind}") if judged else "" for kind in ("html", "css", "js"))
    script = "".join([*map(_file, _SCRIPTS), own_script, _file(_LAST)])
    style = _file("page.css") + own_style
    policy = f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; base-uri 'none'"
    title = parts[0].scenario.title if len(parts) == 1 else "Results"
    held = {"policy": policy, "title": html.escape(title), "style": style, "data": _data(parts), "script": script}
    held["judge"] = section
    return Template(_file("page.html")).substitute(held)


def _data(parts: Sequence[Part]) -> str:
    """JSON that no HTML parser takes for markup: an answer may well say ``</script>`` or ``<!--``."""
    text = json.dumps({"scenarios": contents(parts)}, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _file(name: str) -> str:
    return files("harness.report").joinpath("page", name).read_text(encoding="utf-8")


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
