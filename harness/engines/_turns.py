"""Turns of a chat, as engines that run a model here write them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from harness.engines._engine import Written
from harness.models.chat_templates import ChatTemplate
from harness.recipes import Prompt


class Turns:
    """Writes prompts by the template of one model, which is read when a prompt first needs it."""

    def __init__(
        self, template: Callable[[], ChatTemplate], encode: Callable[[str], list[int]]
    ) -> None:
        """``encode`` turns text into tokens, without any that the text does not hold."""
        self._read = template
        self._encode = encode

    @cached_property
    def template(self) -> ChatTemplate:
        """Raises RecipeError where the model has none."""
        return self._read()

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end a reply. Raises RecipeError where the model has no template."""
        return self.template.end_tokens(self._encode)

    def written(self, prompt: Prompt) -> Written:
        """``prompt`` as text. Raises RecipeError where it is a turn that cannot be written."""
        if isinstance(prompt, str):
            return Written(prompt)
        return Written(self.template.prompt(prompt), special=False)
