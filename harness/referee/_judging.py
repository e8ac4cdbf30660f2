"""LongMemEval's way of judging, with any model as its judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.data.formats import split_thoughts
from harness.data.published import ChatQuestion
from harness.engines import engine_for, identify
from harness.models.chat_templates import has_chat_template
from harness.recipes import BARE, ChatPrompt, Decoding, Prompt
from harness.referee._published import is_yes, yes_or_no

_REPLY = Decoding(max_new_tokens=10)


def longmemeval_judge(
    model: str,
) -> Callable[[Sequence[tuple[ChatQuestion, str]]], list[bool]]:
    """Says of each (question, answer) whether ``model`` takes it for right.

    Raises, when it is called, as ``engine_for``.
    """

    def judge(pairs: Sequence[tuple[ChatQuestion, str]]) -> list[bool]:
        if not pairs:
            return []
        in_chat = has_chat_template(identify(model))
        texts = [yes_or_no(question, answer) for question, answer in pairs]
        prompts: list[Prompt] = [
            ChatPrompt(text, BARE) if in_chat else f"{text}\n" for text in texts
        ]
        replies = engine_for(model).answer(prompts, _REPLY)
        return [is_yes(split_thoughts(reply[0])[1]) for reply in replies]

    return judge
