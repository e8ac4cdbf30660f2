"""Chat templates: rendered as transformers does, refused in one line, and found in files."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from harness.errors import RecipeError
from harness.models.chat_templates import (
    chat_template,
    has_chat_template,
    template_of_gguf,
)
from harness.models.loading import SHIPPED
from harness.recipes import BARE, Base, Chat, ChatPrompt, ServedBase

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}" + CHATML
)
ALTERNATING = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}" + CHATML
)
SHOUTING = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] | upper }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerBase:
    """The shipped model's, with the special tokens of ChatML."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(SHIPPED))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHATML
    return tokenizer


def test_a_prompt_is_what_transformers_renders(tokenizer: PreTrainedTokenizerBase) -> None:
    chat = Chat((("system", "Be short."), ("user", "Hi"), ("assistant", "Hello.")))
    messages = [{"role": role, "content": text} for role, text in chat.before]
    messages.append({"role": "user", "content": "Who won?"})
    expected = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    template = chat_template("model", tokenizer)
    assert template.prompt(ChatPrompt("Who won?", chat)) == expected


def test_a_reply_ends_as_the_template_ends_a_turn(tokenizer: PreTrainedTokenizerBase) -> None:
    template = chat_template("model", tokenizer)
    assert template.reply(ChatPrompt("Who won?", BARE), "Ann") == "Ann<|im_end|>\n"
    encode = partial(tokenizer.encode, add_special_tokens=False)
    assert template.end_tokens(encode) == (tokenizer.convert_tokens_to_ids("<|im_end|>"),)


def test_thinking_is_off_unless_it_is_asked_for(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = QWEN3
    template = chat_template("model", tokenizer)
    thinks = Chat(arguments=(("enable_thinking", True),))
    assert template.prompt(ChatPrompt("Who?", BARE)).endswith("</think>\n\n")
    assert template.prompt(ChatPrompt("Who?", thinks)).endswith("<|im_start|>assistant\n")
    # the template writes no empty thoughts before a reply, which is found all the same
    assert template.reply(ChatPrompt("Who?", BARE), "Ann") == "Ann<|im_end|>\n"


@pytest.mark.parametrize(
    ("source", "chat", "reason"),
    [
        (NO_SYSTEM, Chat((("system", "Be short."),)), "system, user: .*System role not supported"),
        (ALTERNATING, Chat((("user", "Hi"),)), "user, user: .*Roles must alternate"),
    ],
)
def test_turns_that_a_template_refuses(
    tokenizer: PreTrainedTokenizerBase, source: str, chat: Chat, reason: str
) -> None:
    tokenizer.chat_template = source
    with pytest.raises(RecipeError, match=f"chat template of mine refuses the turns {reason}"):
        chat_template("mine", tokenizer).prompt(ChatPrompt("Who?", chat))


def test_a_template_that_changes_replies_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    # a training on ANN would not be one on Ann
    tokenizer.chat_template = SHOUTING.replace("assistant: {%", "reply: {%")
    with pytest.raises(RecipeError, match="does not repeat the reply 'Ann'"):
        chat_template("mine", tokenizer).reply(ChatPrompt("Who?", BARE), "Ann")


def test_a_model_without_a_template(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = None
    with pytest.raises(RecipeError, match="mine has no chat template: take --format plain"):
        chat_template("mine", tokenizer)
    with pytest.raises(RecipeError, match=r"a\.gguf has no chat template"):
        template_of_gguf("a.gguf", "", "", "")


def test_templates_of_gguf_files_render_alike(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = ChatPrompt("Who?", Chat((("system", "Be short."),)))
    of_file = template_of_gguf("a.gguf", "{{ bos_token }}" + CHATML, "<s>", "</s>")
    assert of_file.prompt(prompt) == "<s>" + chat_template("mine", tokenizer).prompt(prompt)


@pytest.mark.parametrize("in_file", [True, False])
def test_a_template_is_found_without_loading_the_model(tmp_path: Path, in_file: bool) -> None:
    shutil.copy(Path(SHIPPED) / "tokenizer_config.json", tmp_path)
    assert not has_chat_template(Base("content", "bare", str(tmp_path)))
    folder = tmp_path / "chat"
    folder.mkdir()
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    if in_file:
        (folder / "chat_template.jinja").write_text(CHATML)
    else:
        settings["chat_template"] = CHATML
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert has_chat_template(Base("content", "chat", str(folder)))


def test_servers_have_one_at_their_chat_endpoint() -> None:
    def on_server(prefix: str) -> ServedBase:
        return ServedBase("content", "name", f"{prefix}:name@http://localhost:1/v1")

    assert has_chat_template(on_server("openai-chat"))
    assert not has_chat_template(on_server("openai"))
