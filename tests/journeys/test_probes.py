"""What orchestrators, Prometheus and tools ask."""

from openai import OpenAI

from tests.running import RunningServer


def test_health_and_readiness_are_told(server: RunningServer) -> None:
    assert server.get("/health").json == {"status": "ok"}
    assert server.get("/ready").json == {"status": "ready"}


def test_metrics_count_requests_by_operation_and_status(server: RunningServer, client: OpenAI) -> None:
    client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "x"}])
    text = server.get("/metrics").body.decode()
    assert 'stackwright_requests_total{operation="create_chat_completion",status="200"}' in text
    assert 'stackwright_request_seconds_bucket{le="0.005",operation="create_chat_completion"}' in text


def test_metrics_count_what_models_are_asked_and_what_they_cost(server: RunningServer, client: OpenAI) -> None:
    for stream in (False, True):
        answer = client.chat.completions.create(
            model="poet",
            messages=[{"role": "user", "content": "x"}],
            stream=stream,
            extra_body={"stream_options": {"include_usage": True}} if stream else None,
        )
        list(answer) if stream else None
    server.post("/v1/chat/completions", {"model": "down", "messages": [{"role": "user", "content": "x"}]})
    text = server.get("/metrics").body.decode()
    assert 'stackwright_model_calls_total{outcome="ok",provider="demo"}' in text
    assert 'stackwright_model_calls_total{outcome="upstream_error",provider="demo"}' in text
    assert 'stackwright_tokens_total{kind="completion",provider="demo"}' in text
    assert 'stackwright_model_first_chunk_seconds_count{provider="demo"}' in text


def test_metrics_tell_of_backends_and_queues(server: RunningServer) -> None:
    text = server.get("/metrics").body.decode()
    assert 'stackwright_backend_up{backend="sql_default"} 1.0' in text
    for store in ("inference", "responses"):
        assert f'stackwright_write_queue_depth{{store="{store}"}} 0.0' in text


def test_the_openapi_document_describes_every_route(server: RunningServer) -> None:
    document = server.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) >= {
        "/v1/chat/completions",
        "/v1/chat/completions/{completion_id}",
        "/v1/chat/completions/{completion_id}/messages",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/moderations",
        "/health",
        "/ready",
    }
    for entries in document["paths"].values():
        for entry in entries.values():
            assert entry["summary"].endswith(".")
            assert entry["responses"]["default"] == {"$ref": "#/components/responses/Error"}
    create = document["paths"]["/v1/chat/completions"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ChatRequest"
    }
    assert document["components"]["schemas"]["ChatRequest"]["required"] == ["model", "messages"]


def test_the_docs_page_loads_nothing_from_elsewhere(server: RunningServer) -> None:
    page = server.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"] == "default-src 'self'; frame-ancestors 'none'"
    for asset in ("/docs/docs.css", "/docs/docs.js"):
        assert asset.encode() in page.body
        assert server.get(asset).status == 200
