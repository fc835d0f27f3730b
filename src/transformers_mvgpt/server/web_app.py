# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The application of `mvgpt serve`, with the web page on it."""

from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from transformers import PreTrainedModel

from ..processing.vision_language_processor import VisionLanguageProcessor
from .app import create_app
from .settings import ServerSettings
from .web_answers import MAX_VISITORS, PageAnswers
from .web_examples import write_examples
from .web_gate import PageGate
from .web_layout import FILES, Page, page_theme
from .web_uploads import UploadFolder


# Gradio's own, after which it deletes what it has written and nobody has claimed, in seconds.
_OLDEST_FILE = (600, 86_400)


def create_web_app(
    model: PreTrainedModel,
    processor: VisionLanguageProcessor,
    settings: ServerSettings,
    uploads: UploadFolder,
    *,
    max_video_seconds: float,
    note: str = "",
    remembers: bool = True,
) -> FastAPI:
    """
    The page at `/`, and the API at `/v1`, in front of one model.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]), processor ([`VisionLanguageProcessor`]), settings ([`ServerSettings`]):
            As for [`create_app`]. With an API key, visitors must enter it.
        uploads ([`UploadFolder`]): Where uploads lie. Gradio takes the folder from the environment variable `GRADIO_TEMP_DIR`, which
            must name it.
        max_video_seconds (`float`): Length of a video.
        note (`str`): What the page says about the model.
        remembers (`bool`): Whether questions are asked with the conversation before them, unless the visitor says otherwise.

    Returns:
        `FastAPI`: with `app.state.end_page`, which ends the connections that a page keeps open.
    """
    app = create_app(model, processor, settings)
    answers = PageAnswers(app.state.service, uploads, max_video_seconds)
    examples = write_examples(uploads.examples, of_videos=answers.takes_videos)
    page = Page(answers, examples, model_name=settings.served_model_name, note=note, remembers=remembers).build()
    page.delete_cache = _OLDEST_FILE
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        allowed_paths=[],
        blocked_paths=[str(Path.cwd() / ".gradio")],
        show_error=False,
        max_file_size=uploads.max_upload_bytes,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        pwa=False,
        ssr_mode=False,
        mcp_server=False,
        theme=page_theme(),
        css_paths=[FILES / "page.css"],
        favicon_path=str(FILES / "favicon.svg"),
    )
    gradio_app = app.routes[-1].app  # type: ignore[attr-defined]
    gradio_app.state_holder.capacity = MAX_VISITORS
    # the connections by which it sees that a visitor leaves would outlast the server
    app.state.end_page = gradio_app.stop_event.set
    app.add_middleware(PageGate, uploads=uploads, api_key=settings.api_key, is_local=settings.is_local)
    return app
