"""Adapters by the names that servers give them: vLLM's convention and llama-server's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.engines import Engine, ServedEngine, decoding
from harness.errors import ModelError
from tests.engines.served.served_helpers import Reply, Request, Server

GREEDY = decoding("deterministic")
MODELS = {
    "object": "list",
    "data": [
        {"id": "pocket", "object": "model", "parent": None},
        {"id": "oscars", "object": "model", "parent": "pocket"},
        {"id": "novels", "object": "model", "parent": "pocket"},
    ],
}
LORAS = [
    {"id": 0, "path": "adapters/oscars.gguf", "scale": 1.0},
    {"id": 1, "path": "novels.gguf", "scale": 1.0},
]


def tell(request: Request, before: int) -> Reply:
    """The server says by which model and scales it answered."""
    return Reply({"choices": [{"text": f"{request.body['model']} {request.body.get('lora')}"}]})


def said(engine: Engine) -> str:
    return engine.answer(["Who?"], GREEDY)[0][0]


@pytest.fixture
def vllm(serve: Callable[..., Server]) -> ServedEngine:
    return serve(tell, v1__models=MODELS).engine()


@pytest.fixture
def llama_server(serve: Callable[..., Server]) -> ServedEngine:
    return serve(tell, **{"lora-adapters": LORAS}).engine()


def scales(first: float, second: float) -> str:
    return f"pocket [{{'id': 0, 'scale': {first}}}, {{'id': 1, 'scale': {second}}}]"


def test_vllm_serves_an_adapter_as_a_model(vllm: ServedEngine) -> None:
    assert said(vllm) == "pocket None"
    with vllm.with_stack([("oscars", 0.5), ("novels", 0.0), ("oscars", 0.5)]):
        assert said(vllm) == "oscars None"
        with vllm.with_stack([]):
            assert said(vllm) == "pocket None"
        assert said(vllm) == "oscars None"
    assert said(vllm) == "pocket None"
    assert not (vllm.capabilities.scales or vllm.capabilities.several_adapters)


@pytest.mark.parametrize(
    ("stack", "line"),
    [
        (
            [("oscars", 0.5)],
            r"cannot apply oscars at 0\.5: it serves each adapter as a model, alone and at scale 1",
        ),
        ([("oscars", 1.0), ("novels", 1.0)], "cannot apply oscars at 1, novels at 1"),
        (
            [("films", 1.0)],
            r"has no adapter 'films' \(its models are pocket, oscars, novels\): start vLLM with",
        ),
    ],
)
def test_what_vllm_cannot(stack: list[tuple[str, float]], line: str, vllm: ServedEngine) -> None:
    with pytest.raises(ModelError, match=line), vllm.with_stack(stack):
        pass
    assert said(vllm) == "pocket None"


def test_llama_server_takes_scales_with_each_request(llama_server: ServedEngine) -> None:
    assert llama_server.capabilities.scales
    assert llama_server.capabilities.several_adapters
    with llama_server.with_stack([("oscars", 0.25), ("oscars", 0.5), (Path("novels.gguf"), 2.0)]):
        assert said(llama_server) == scales(0.75, 2.0)
    with llama_server.with_stack([("adapters/oscars.gguf", 1.0)]):
        assert said(llama_server) == scales(1.0, 0.0)


def test_the_answer_command_takes_adapters_of_a_server(
    serve: Callable[..., Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(tell, **{"lora-adapters": LORAS})
    ask = ["answer", "Who?", "--model", f"openai:pocket@{server.url}", "--adapter"]
    assert main([*ask, "served:oscars:0.5"]) == 0
    assert capsys.readouterr().out == f"{scales(0.5, 0.0)}\n"
    (tmp_path / "oscars.gguf").write_bytes(b"GGUF")
    assert main([*ask, str(tmp_path / "oscars.gguf")]) == 2
    assert capsys.readouterr().err.rstrip().endswith("give served:NAME")


def test_the_base_of_a_llama_server_is_without_the_adapters_that_it_applies_by_itself(
    llama_server: ServedEngine,
) -> None:
    assert said(llama_server) == scales(0.0, 0.0)
    with llama_server.with_stack([]):
        assert said(llama_server) == scales(0.0, 0.0)


def test_llama_server_without_the_adapter(
    llama_server: ServedEngine, serve: Callable[..., Server]
) -> None:
    with pytest.raises(
        ModelError,
        match=r"has no adapter called 'films' \(it has adapters/oscars.gguf, novels.gguf\)",
    ):
        llama_server.with_stack([("films", 1.0)]).__enter__()
    assert said(llama_server) == scales(0.0, 0.0)
    without = serve(tell, **{"lora-adapters": []}).engine()
    assert said(without) == "pocket None"
    with pytest.raises(ModelError, match=r"\(it has none\): start llama-server with --lora FILE"):
        without.with_stack([("films", 1.0)]).__enter__()
    twice = serve(
        tell, **{"lora-adapters": [*LORAS, {"id": 2, "path": "other/oscars.gguf", "scale": 0.0}]}
    ).engine()
    with pytest.raises(ModelError, match="has several adapters called 'oscars'"):
        twice.with_stack([("oscars", 1.0)]).__enter__()


@pytest.mark.parametrize("page", [Reply("nonsense"), {"data": "none"}, ["nonsense"], [{"id": 0}]])
def test_a_server_with_neither(page: object, serve: Callable[..., Server]) -> None:
    pages = {"v1__models": page, "lora-adapters": page}
    try:
        engine = serve(tell, **pages).engine()
    except ModelError as error:
        assert "sent no JSON" in str(error)
        return
    with pytest.raises(ModelError, match=r"has no adapter 'oscars' \(its models are none\)"):
        engine.with_stack([("oscars", 1.0)]).__enter__()
