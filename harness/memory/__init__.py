"""Documents and chats that become adapters: read, split, retrieved, learnt."""

from harness.memory._answering import Turned
from harness.memory.memory import Memory
from harness.memory.rows import (
    AdapterRow,
    Added,
    DocumentRow,
    EventRow,
    Forgotten,
    Learnt,
    PassageRow,
    Recall,
    RolledUp,
    Turn,
    Work,
)
from harness.memory.settings import DEFAULTS, Settings

__all__ = [
    "DEFAULTS",
    "AdapterRow",
    "Added",
    "DocumentRow",
    "EventRow",
    "Forgotten",
    "Learnt",
    "Memory",
    "PassageRow",
    "Recall",
    "RolledUp",
    "Settings",
    "Turn",
    "Turned",
    "Work",
]
