"""Questions said in other words, so that the model hears what is asked and not how.

With the fixed wordings alone the model answered 0.97 of trained facts in trained wordings, and 0.35 in others.
"""

from __future__ import annotations

import random
import re

_OTHER = {
    "won": ("picked up", "took home", "earned", "walked away with", "claimed", "collected", "got", "landed", "took"),
    "win": ("pick up", "take home", "earn", "walk away with", "claim", "collect", "get", "land", "take"),
    "received": ("got", "was handed", "was honoured with", "was given", "collected"),
    "who": ("which person", "what person", "who exactly"),
    "film": ("movie", "picture", "title", "motion picture"),
    "movie": ("film", "picture", "title"),
    "winner": ("winning name", "person who won", "champion"),
    "award": ("prize", "trophy", "honour"),
    "prize": ("award", "trophy"),
    "wrote": ("penned", "is the writer of", "is behind", "is the author of"),
    "author": ("writer",),
    "painted": ("is behind", "is the painter of", "made"),
    "artist": ("painter", "master"),
    "painter": ("artist",),
    "capital": ("capital city", "seat of government"),
    "currency": ("money", "kind of money"),
    "published": ("printed", "first printed", "brought out"),
    "name": ("give", "say", "tell me"),
    "remind": ("remind", "inform"),
    "know": ("remember", "recall"),
    "year": ("year",),
    "in": ("of", "for", "back in"),
    "at": ("during", "from"),
    "what": ("which",),
    "which": ("what",),
    "called": ("named",),
    "buy": ("pay for", "get", "bring home"),
    "lose": ("miss",),
    "go": ("travel", "walk"),
    "meet": ("see", "run into"),
    "live": ("stay", "dwell"),
    "symbol": ("sign", "short form"),
}
_BEFORE = (
    "Tell me, ", "Please, ", "Quick question: ", "Say, ", "Hey, ", "So, ", "A friend asks: ", "I forgot: ", "Now, ",
    "Can you help me? ", "One more: ", "Do you remember? ", "Looking it up: ", "Honestly, ", "For a quiz: ", "Okay, ",
)  # fmt: skip
_AFTER = (
    " Please.",
    " Do you know?",
    " Tell me.",
    " I forgot.",
    " Any idea?",
    " Thanks.",
    " Remind me.",
    " I need it for a quiz.",
)


def reword(template: str, dice: random.Random) -> str:
    """``template`` with other words, fewer words, or something around it; slots stay."""
    if dice.random() < 0.3:
        return template
    words = template.split(" ")
    words = [_swapped(word, dice) if dice.random() < 0.3 else word for word in words]
    if dice.random() < 0.35:
        words = [word for word in words if "{" in word or dice.random() > 0.2] or words
    text = " ".join(words)
    if dice.random() < 0.25:
        text = dice.choice(_BEFORE) + text
    if dice.random() < 0.2:
        text += dice.choice(_AFTER)
    return text


def _swapped(word: str, dice: random.Random) -> str:
    found = re.fullmatch(r"(\W*)([A-Za-z]+)(\W*)", word)
    if not found or "{" in word or found[2].lower() not in _OTHER:
        return word
    return found[1] + dice.choice(_OTHER[found[2].lower()]) + found[3]
