# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The application: its routes, keys and errors."""

import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from transformers import PreTrainedModel

from ..families import family_of
from ..processing.vision_language_processor import VisionLanguageProcessor
from .chat_endpoint import answer_chat
from .chat_service import ChatService
from .other_sites import comes_from_other_host, comes_from_other_page
from .request_errors import RequestError, internal_error
from .settings import ServerSettings


logger = logging.getLogger(__name__)


def create_app(model: PreTrainedModel, processor: VisionLanguageProcessor, settings: ServerSettings) -> FastAPI:
    """
    The server as an ASGI application.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): The model, ready to generate. One process has one application for a model.
        processor ([`VisionLanguageProcessor`]): Its processor.
        settings ([`ServerSettings`]): Of the server.

    Raises:
        ValueError: if the model is of none of the package's families.

    Returns:
        `FastAPI`: with the [`ChatService`] as `app.state.service`.

    Example:

    ```python
    >>> import uvicorn

    >>> app = create_app(model, processor, ServerSettings(served_model_name="mvgpt"))
    >>> uvicorn.run(app)
    ```"""
    family_of(model.config)
    service = ChatService(model, processor, settings)
    created = int(time.time())
    described = {
        "id": settings.served_model_name,
        "object": "model",
        "created": created,
        "owned_by": "transformers-mvgpt",
        "max_model_len": service.answerer.context_length,
    }

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()
        service.queue.join(seconds=10)

    # bodies are read and checked here: pages that FastAPI makes of its own schemas would say nothing
    app = FastAPI(title="mvgpt", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    app.exception_handler(RequestError)(_refuse)
    app.exception_handler(HTTPException)(_refuse_http)
    app.exception_handler(Exception)(_fail)
    of_no_other_site = [Depends(_site_check(settings))]
    with_key = [*of_no_other_site, Depends(_key_check(settings.api_key))]

    @app.get("/health", dependencies=of_no_other_site)
    async def health() -> JSONResponse:
        is_open = service.queue.is_open
        return JSONResponse({"status": "ok" if is_open else "shutting down"}, 200 if is_open else 503)

    @app.get("/metrics", dependencies=with_key)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models", dependencies=with_key)
    async def models() -> JSONResponse:
        return JSONResponse({"object": "list", "data": [described]})

    @app.get("/v1/models/{name:path}", dependencies=with_key)
    async def one_model(name: str) -> JSONResponse:
        if name != settings.served_model_name:
            raise RequestError("There is no such model here.", "model", 404, "model_not_found")
        return JSONResponse(described)

    @app.post("/v1/chat/completions", dependencies=with_key)
    async def chat_completions(request: Request) -> Response:
        return await answer_chat(service, request)

    return app


def _site_check(settings: ServerSettings) -> Any:
    async def check(request: Request) -> None:
        # pages of other sites do not know it
        if settings.api_key is not None:
            return
        if settings.is_local and comes_from_other_host(request.headers):
            raise RequestError(
                "This server is for this machine alone: ask it as http://127.0.0.1, or set a key (`MVGPT_API_KEY`).",
                status=403,
                code="other_host",
            )
        if comes_from_other_page(request.headers):
            raise RequestError(
                "Pages of other sites are refused where there is no key: set one (`MVGPT_API_KEY`).",
                status=403,
                code="other_site",
            )

    return check


def _key_check(api_key: str | None) -> Any:
    async def check(request: Request) -> None:
        if api_key is None:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # in a time that does not tell how much of it is right
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), api_key.encode()):
            raise RequestError(
                "The API key is missing or wrong: send it as `Authorization: Bearer KEY`.",
                status=401,
                code="invalid_api_key",
            )

    return check


async def _refuse(request: Request, error: Any) -> JSONResponse:
    return JSONResponse(error.body, error.status, error.headers)


async def _refuse_http(request: Request, error: Any) -> JSONResponse:
    """Paths and methods that there are not."""
    refusal = RequestError(f"{request.method} {request.url.path}: {error.detail}.", status=error.status_code)
    return JSONResponse(refusal.body, error.status_code, error.headers)


async def _fail(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(internal_error().body, 500)
