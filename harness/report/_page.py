"""RESULTS.html: one page that needs no network, with every figure and every answer in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from string import Template

from harness.report._contents import contents
from harness.report._parts import Part

_SCRIPTS = ("model.js", "elements.js", "table.js", "scatter.js", "heat.js", "questions.js", "judge.js", "main.js")
_JUDGED = re.compile(r"^.*(?:// judged|/\* judged \*/)\n", re.MULTILINE)
"""Lines of script and style that are there for a judge."""


def page(parts: Sequence[Part]) -> str:
    """The page as HTML; the same results give the same text.

    Its policy allows its own script and style by their hashes and nothing else, neither a network nor whatever an
    answer might smuggle in. Where no part has a judge, nothing of the judge's is in it.
    """
    judged = any(part.judging for part in parts)
    script = "".join(_file(name, judged) for name in _SCRIPTS if judged or name != "judge.js")
    style = _file("page.css", judged)
    policy = f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; base-uri 'none'"
    title = parts[0].scenario.title if len(parts) == 1 else "Results"
    held = {"policy": policy, "title": html.escape(title), "style": style, "data": _data(parts), "script": script}
    held["judge"] = _file("judge.html") if judged else ""
    return Template(_file("page.html")).substitute(held)


def _data(parts: Sequence[Part]) -> str:
    """JSON that no HTML parser takes for markup: an answer may well say ``</script>`` or ``<!--``."""
    text = json.dumps({"scenarios": contents(parts)}, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _file(name: str, judged: bool = True) -> str:
    text = files("harness.report").joinpath("page", name).read_text(encoding="utf-8")
    return text if judged else _JUDGED.sub("", text)


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
