"""The floor: a proxy of the same libraries and nothing else. No storage, no routing, no checks, no errors."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import uvicorn
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.request import StreamRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


class Chat(msgspec.Struct):
    """As much of a body as forwarding it needs."""

    model: str
    messages: list[msgspec.Raw]
    stream: bool = False


class Embedding(msgspec.Struct):
    """The same for embeddings."""

    model: str
    input: msgspec.Raw


read_chat = msgspec.json.Decoder(Chat).decode
read_embedding = msgspec.json.Decoder(Embedding).decode


def application(upstream: str) -> Starlette:
    """Return the proxy in front of `upstream`, a URL that ends in `/v1`."""
    client: Client = ClientBuilder().build()
    chats, vectors = upstream + "/chat/completions", upstream + "/embeddings"

    async def forward(url: str, body: bytes) -> Response:
        answer = await client.post(url).header("content-type", "application/json").body_bytes(body).build().send()
        return Response(bytes(await answer.bytes()), answer.status, media_type="application/json")

    async def chat(request: Request) -> Response:
        body = await request.body()
        if not read_chat(body).stream:
            return await forward(chats, body)
        sent = (
            client.post(chats)
            .header("content-type", "application/json")
            .body_bytes(body)
            .streamed_read_buffer_limit(1)
            .build_streamed()
        )
        return StreamingResponse(relay(sent), media_type="text/event-stream")

    async def embeddings(request: Request) -> Response:
        body = await request.body()
        read_embedding(body)
        return await forward(vectors, body)

    async def health(request: Request) -> Response:
        return Response(b"{}", media_type="application/json")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/embeddings", embeddings, methods=["POST"]),
        Route("/health", health),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def relay(request: StreamRequest) -> AsyncIterator[bytes]:
    """Yield what the vendor sends as it comes."""
    async with request as answer:
        reader = answer.body_reader
        while (chunk := await reader.read_chunk()) is not None:
            yield bytes(chunk)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("upstream")
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    config = uvicorn.Config(
        application(chosen.upstream),
        port=chosen.port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve())
