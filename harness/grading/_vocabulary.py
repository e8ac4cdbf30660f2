"""Tables of units, currencies, months and spellings: ``vocabulary.toml``, read once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_TABLES: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8")
)


def _by_spelling(table: dict[str, list[str]]) -> dict[str, str]:
    """``{"kilometer": ["km"]}`` as ``{"km": "kilometer"}``."""
    return {spelling: name for name, spellings in table.items() for spelling in spellings}


SCALES: dict[str, float] = _TABLES["scales"]
CURRENCIES = _by_spelling(_TABLES["currencies"])
UNITS = _by_spelling(_TABLES["units"])
COMPARISONS = _by_spelling(_TABLES["comparisons"])
MONTHS = _by_spelling(_TABLES["months"])
"""Full name of each month by its short name."""
MONTH_NAMES = (*_TABLES["months"], *MONTHS)
SPELLINGS = _by_spelling(_TABLES["words"])
TITLES = set(_TABLES["names"]["titles"])
RULERS = set(_TABLES["names"]["rulers"])
MAKES_ANOTHER = set(_TABLES["names"]["makes_another"])
"""Words that make another name of the one behind them: *New York*, *South Sudan*."""
DESCRIBES = set(_TABLES["names"]["describes"])
"""Those of them that in lower case only describe: *the great Edda Finch*."""
KINDS_OF_PLACE = set(_TABLES["names"]["kinds_of_place"])
"""Words that a name may be without: *Everest* for *Mount Everest*."""
COUNTRIES: dict[str, list[str]] = _TABLES["countries"]
"""More names of countries, by ISO 3166 code of two letters."""
