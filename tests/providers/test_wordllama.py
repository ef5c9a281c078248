"""`inline::wordllama`: text to vectors in OpenAI's words, from the package alone."""

import asyncio
import base64
import math
import os
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stackwright.config.storage import SqliteBackend, Storage
from stackwright.errors import InvalidRequest, Unavailable, UnknownModel
from stackwright.ports.inference import ModelCall
from stackwright.providers.inference.inline_wordllama import PROVIDER, Config, WordLlama, connect
from stackwright.storage.backends import NamedBackends

NOTHING = NamedBackends(Storage(backends={"kv": SqliteBackend(type="kv_sqlite", db_path="unused.db")}))


@pytest.fixture
async def model() -> AsyncIterator[WordLlama]:
    async with connect(Config(), NOTHING) as opened:
        yield opened


def call(*, model: str = "wordllama", **params: Any) -> ModelCall:
    return ModelCall(model, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in params.items()})


async def embed(model: WordLlama, **params: Any) -> list[Any]:
    answer = msgspec.json.decode(await model.create(call(**params)))
    assert [datum["index"] for datum in answer["data"]] == list(range(len(answer["data"])))
    return [datum["embedding"] for datum in answer["data"]]


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_the_answer_is_openais_list(model: WordLlama) -> None:
    answer = msgspec.json.decode(await model.create(call(input="Hello there")))
    assert len(answer["data"][0].pop("embedding")) == 256
    assert answer == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0}],
        "model": "wordllama",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }


async def test_texts_alike_in_meaning_are_near(model: WordLlama) -> None:
    cat, kitten, tax = await embed(model, input=["a cat on the mat", "a kitten on the rug", "quarterly tax returns"])
    assert cosine(cat, kitten) > cosine(cat, tax) + 0.2


async def test_a_text_has_the_same_vector_alone_and_in_company(model: WordLlama) -> None:
    texts = ["short", "a much longer text " * 40]
    together = await embed(model, input=texts)
    alone = [(await embed(model, input=text))[0] for text in texts]
    assert together == alone


async def test_the_vectors_are_the_librarys_own(model: WordLlama) -> None:
    import wordllama  # type: ignore[import-untyped]

    texts = ["one text", "word " * 6000]
    library = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    for ours, theirs in zip(await embed(model, input=texts), library.embed(texts, norm=True), strict=True):
        assert ours == pytest.approx(theirs.tolist(), abs=1e-5)


@pytest.mark.parametrize("dimensions", [64, 128, 256])
async def test_a_shorter_vector_is_the_long_ones_beginning_at_unit_length(model: WordLlama, dimensions: int) -> None:
    (long,), (short,) = await embed(model, input="tea"), await embed(model, input="tea", dimensions=dimensions)
    length = math.sqrt(sum(value * value for value in long[:dimensions]))
    assert short == pytest.approx([value / length for value in long[:dimensions]], abs=1e-6)


async def test_base64_holds_the_same_floats(model: WordLlama) -> None:
    (plain,), (coded,) = await embed(model, input="tea"), await embed(model, input="tea", encoding_format="base64")
    assert list(struct.unpack("<256f", base64.b64decode(coded))) == plain


async def test_2048_texts_are_embedded_at_once(model: WordLlama) -> None:
    vectors = await embed(model, input=[f"text number {number}" for number in range(2048)])
    assert len(vectors) == 2048


@pytest.mark.parametrize(
    ("params", "param", "says"),
    [
        ({}, "input", "Missing"),
        ({"input": []}, "input", "length >= 1"),
        ({"input": ""}, "input", "empty string at 0"),
        ({"input": ["a", ""]}, "input", "empty string at 1"),
        ({"input": ["a"] * 2049}, "input", "length <= 2048"),
        ({"input": [1, 2, 3]}, "input", "takes text"),
        ({"input": [[1, 2], [3]]}, "input", "takes text"),
        ({"input": {"a": 1}}, "input", "Expected"),
        ({"input": "a", "dimensions": 100}, "dimensions", "64, 128, 256"),
        ({"input": "a", "dimensions": "64"}, "dimensions", "Expected `int"),
        ({"input": ["a", "a" * 131_073]}, "input", "more than 131072 characters at 1"),
        ({"input": ["a" * 100_000] * 21}, "input", "more than 2097152 characters in all"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format", "int8"),
        ({"input": "a", "dimension": 64}, "dimension", "Did you mean 'dimensions'?"),
        ({"input": "a", "truncate": "END"}, "truncate", "wordllama knows no parameter of that name"),
    ],
)
async def test_what_cannot_be_embedded_is_refused_by_name(
    model: WordLlama, params: dict[str, Any], param: str, says: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await model.create(call(**params))
    assert refused.value.param == param
    assert says in refused.value.message


async def test_closing_does_not_wait_for_what_is_long() -> None:
    async with connect(Config(), NOTHING) as model:
        await embed(model, input="loaded")
        asked = [asyncio.create_task(embed(model, input=["a" * 131_072] * 16)) for _ in range(4)]
        await asyncio.sleep(0.1)
        begin = time.monotonic()
    assert time.monotonic() - begin < 2
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}


async def test_another_model_is_not_found(model: WordLlama) -> None:
    with pytest.raises(UnknownModel):
        await model.create(call(model="gpt", input="a"))


async def test_it_offers_one_embedding_model(model: WordLlama) -> None:
    (offer,) = await model.models()
    assert (offer.name, offer.kind) == ("wordllama", "embedding")
    assert offer.metadata == {"embedding_dimension": 256}


def test_it_needs_no_network_and_no_home(tmp_path: Any) -> None:
    script = """
import socket, sys
from stackwright.providers.inference.inline_wordllama import load
def refuse(*args): raise SystemExit("it reached for the network")
socket.socket.connect = socket.getaddrinfo = refuse
rows, tokens = load()(["Hello there"], 64)
print(rows.shape, tokens)
"""
    env = {"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("(1, 64) 2\n", "")
    assert list(tmp_path.iterdir()) == []


def test_its_type_is_its_files_name() -> None:
    assert (PROVIDER.type, PROVIDER.api, PROVIDER.extra) == ("inline::wordllama", "inference", "local")
