"""Chat templates: a model's own way to write the turns of a conversation.

The template is the Jinja source that comes with a model; transformers renders it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import RecipeError, first_line
from harness.models.gguf import header
from harness.recipes import BARE, Base, ChatPrompt, Dequantised, GgufBase, Quantised, ServedBase

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SERVED_CHAT = "openai-chat:"
"""A server's model whose chat endpoint is asked: the server has the template."""
_FILE = "chat_template.jinja"
_SETTINGS = "tokenizer_config.json"
CHAT_TEMPLATE = "tokenizer.chat_template"
"""The key of the template in a GGUF file."""
_DEFAULTS = {"enable_thinking": False}
"""Arguments where a prompt gives no other; a template without such a switch ignores them.

A model that thinks first would spend the few tokens of a short answer on thoughts.
"""
_REPLY = "Understood."
_SHOWN = 60


@dataclass(frozen=True)
class ChatTemplate:
    """The template of one model, with the tokenizer that renders it."""

    model: str
    """The model's name, for messages."""
    tokenizer: PreTrainedTokenizerBase = field(repr=False)

    def prompt(self, prompt: ChatPrompt) -> str:
        """The text up to where the assistant's reply begins. It has its own BOS, if any.

        Raises:
            RecipeError: the template refuses such turns; the line says why.
        """
        return self._render(prompt, (), opened=True)

    def reply(self, prompt: ChatPrompt, text: str) -> str:
        """The reply ``text`` as it follows ``prompt``, with what ends the assistant's turn.

        Raises:
            RecipeError: the template refuses such turns, or it does not repeat the reply.
        """
        before = self.prompt(prompt)
        whole = self._render(prompt, (("assistant", text),), opened=False)
        if whole.startswith(before):
            return whole[len(before) :]
        # Some templates write the end of a prompt in another way once the reply is there: Qwen3
        # leaves out an empty block of thoughts.
        start = whole.rfind(text)
        if start < 0:
            raise RecipeError(
                f"chat template of {self.model} does not repeat the reply {text[:_SHOWN]!r} as it"
                " is: its training would not match its answers, take --format plain"
            )
        return whole[start:]

    @cached_property
    def end(self) -> str:
        """What the template writes after a reply; its first token ends an answer."""
        reply = self.reply(ChatPrompt("Hello.", BARE), _REPLY)
        return reply.partition(_REPLY)[2]

    def end_tokens(self, encode: Callable[[str], list[int]]) -> tuple[int, ...]:
        """The first token of ``end``, where it is a special one; ``encode`` adds none."""
        ids = encode(self.end)
        return tuple(ids[:1]) if ids and ids[0] in self._special else ()

    @cached_property
    def _special(self) -> frozenset[int]:
        added = self.tokenizer.added_tokens_decoder.items()
        return frozenset(number for number, token in added if token.special)

    def _render(
        self, prompt: ChatPrompt, after: tuple[tuple[str, str], ...], *, opened: bool
    ) -> str:
        turns = (*prompt.chat.before, ("user", prompt.text), *after)
        messages = [{"role": role, "content": text} for role, text in turns]
        arguments = {**_DEFAULTS, **dict(prompt.chat.arguments)}
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=opened, **arguments
                )
            )
        except Exception as error:  # a template raises what it likes, in Jinja
            roles = ", ".join(role for role, _ in turns)
            raise RecipeError(
                f"chat template of {self.model} refuses the turns {roles}: {first_line(error)}"
            ) from error


def chat_template(model: str, tokenizer: PreTrainedTokenizerBase) -> ChatTemplate:
    """The template of ``tokenizer``. Raises RecipeError where it has none."""
    if not tokenizer.chat_template:
        raise RecipeError(f"{model} has no chat template: take --format plain")
    return ChatTemplate(model, tokenizer)


def template_of_gguf(model: str, source: str, bos: str, eos: str) -> ChatTemplate:
    """The template ``source`` of a GGUF file, whose tokens are in the file.

    Raises RecipeError where ``source`` is empty.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    special = {"bos_token": bos, "eos_token": eos}
    renderer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(BPE()), **{name: text for name, text in special.items() if text}
    )
    renderer.chat_template = source
    return chat_template(model, renderer)


def has_chat_template(base: Base | Quantised) -> bool:
    """Whether ``base`` answers turns: by the template in its files, or a server's chat endpoint."""
    if isinstance(base, Quantised | Dequantised):
        return has_chat_template(base.base)
    if isinstance(base, ServedBase):
        return base.path.startswith(SERVED_CHAT)
    return _in_files(base.path, isinstance(base, GgufBase))


@lru_cache(maxsize=64)
def _in_files(path: str, is_gguf: bool) -> bool:
    if is_gguf:
        return bool(header(Path(path)).get(CHAT_TEMPLATE))
    folder = Path(path)
    if (folder / _FILE).is_file():
        return True
    try:
        settings: Any = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # the tokenizer reports it when it is loaded
    return isinstance(settings, dict) and bool(settings.get("chat_template"))
