# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The web page: a video and its frames on the left, questions and answers on the right."""

import html
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ..viewing.frame_selection import FrameSelection
from .request_errors import RequestError
from .web_answers import BUSY, PageAnswers
from .web_examples import PageExample
from .web_frames import frame_strip


FILES = Path(__file__).with_name("web_files")
MAX_QUESTION_CHARACTERS = 2000
_SUGGESTIONS = 4
_ABOUT_ANYTHING = ("Describe the video.", "What happens in the video?")
_ABOUT_IMAGES = ("Describe the image.", "What is in the image?")
_SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONOSPACE = ["ui-monospace", "Consolas", "monospace"]


def page_theme() -> gr.themes.Base:
    """Fonts of the visitor's system: others would be fetched."""
    return gr.themes.Base(
        primary_hue="teal", neutral_hue="slate", radius_size="lg", font=_SYSTEM_FONTS, font_mono=_MONOSPACE
    )


class Page:
    """
    Args:
        answers ([`PageAnswers`]): What happens to videos and questions.
        examples (`Sequence[PageExample]`): To try it with.
        model_name (`str`): What visitors are told that answers.
        note (`str`): What it knows, as HTML; may be empty.
        remembers (`bool`): Whether questions are asked with the conversation before them, unless the visitor says otherwise.
    """

    def __init__(
        self, answers: PageAnswers, examples: Sequence[PageExample], *, model_name: str, note: str, remembers: bool
    ) -> None:
        self.answers, self.examples = answers, list(examples)
        self.model_name, self.note, self.remembers = model_name, note, remembers
        self.takes_videos = answers.takes_videos

    def build(self) -> gr.Blocks:
        """Gradio's page, of which no event can be called by name."""
        with gr.Blocks(title="Ask about a video", analytics_enabled=False, fill_width=True, delete_cache=None) as page:
            gr.HTML(self._heading(), padding=False, elem_id="mv-heading")
            with gr.Row(elem_id="mv-columns", equal_height=False):
                with gr.Column(scale=6, min_width=320, elem_id="mv-left"):
                    self._build_visual()
                with gr.Column(scale=5, min_width=320, elem_id="mv-right"):
                    self._build_chat()
            self._connect(page)
        page.queue(
            default_concurrency_limit=None, max_size=self.answers.service.settings.max_waiting * 4, api_open=False
        )
        return page

    def _heading(self) -> str:
        note = f'<p class="mv-note">{self.note}</p>' if self.note else ""
        what = "a video" if self.takes_videos else "an image"
        return (
            f'<h1>Ask about {what}</h1><p class="mv-model">answered by <b>{html.escape(self.model_name)}</b></p>{note}'
        )

    def _build_visual(self) -> None:
        self.visual: gr.Video | gr.Image
        if self.takes_videos:
            self.visual = gr.Video(
                label="Video",
                sources=["upload", "webcam"],
                include_audio=False,
                height=264,
                buttons=[],
                elem_id="mv-visual",
                webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"width": {"ideal": 640}}}),
            )
        else:
            self.visual = gr.Image(
                label="Image",
                sources=["upload", "webcam"],
                type="filepath",
                height=264,
                buttons=[],
                elem_id="mv-visual",
                webcam_options=gr.WebcamOptions(mirror=False),
            )
        with gr.Row(elem_id="mv-examples"):
            gr.HTML("Or try", padding=False, elem_id="mv-examples-label")
            self.example_buttons = [
                gr.Button(example.title, icon=str(example.icon), size="sm", elem_classes="mv-example")
                for example in self.examples
            ]
        self.frames = gr.HTML(self._empty_strip(), padding=False, elem_id="mv-strip")

    def _build_chat(self) -> None:
        self.chat = gr.Chatbot(
            [],
            label="Questions and answers",
            show_label=False,
            height=330,
            placeholder=self._empty_chat(),
            buttons=[],
            render_markdown=False,
            feedback_options=None,
            allow_tags=False,
            elem_id="mv-chat",
        )
        self.question = gr.Textbox(
            label="Question",
            show_label=False,
            placeholder="Ask a question, and press Enter",
            lines=1,
            max_lines=4,
            max_length=MAX_QUESTION_CHARACTERS,
            submit_btn="Ask",
            elem_id="mv-question",
            html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="send"),
        )
        self.status = gr.HTML("", padding=False, elem_id="mv-status")
        with gr.Row(elem_id="mv-suggestions"):
            self.suggestions = [
                gr.Button("", size="sm", visible=False, elem_classes="mv-suggestion") for _ in range(_SUGGESTIONS)
            ]
        with gr.Row(elem_id="mv-settings"):
            self.remember = gr.Checkbox(self.remembers, label="Follow up on earlier answers", container=False)
            self.reset = gr.Button("New conversation", size="sm", elem_id="mv-reset")

    def _connect(self, page: gr.Blocks) -> None:
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.visual.change(
            self._look,
            self.visual,
            [self.frames, self.chat, self.status, *self.suggestions],
            preprocess=False,
            **hidden,
        )
        for button, example in zip(self.example_buttons, self.examples, strict=True):
            button.click(_chooser(example.file), None, self.visual, postprocess=False, **hidden)
        answering = [self.chat, self.question, self.status]
        self.question.submit(self._ask, [self.question, self.remember], answering, **hidden)
        for button in self.suggestions:
            button.click(self._ask, [button, self.remember], answering, **hidden)
        self.question.stop(self._stop, None, None, **hidden)
        self.reset.click(self._reset, None, [self.chat, self.status], **hidden)
        page.unload(self._leave)

    async def _look(self, payload: Any, request: gr.Request) -> AsyncIterator[Any]:
        name = str(request.session_hash)
        no_buttons = [gr.update(visible=False)] * _SUGGESTIONS
        if payload is None:
            self.answers.forget(name)
            yield self._empty_strip(), [], "", *no_buttons
            return
        path = payload.get("path") if isinstance(payload, dict) else None
        yield (
            _busy(f"Looking at {self.answers.kind.replace('a ', 'the ').replace('an ', 'the ')} …"),
            [],
            "",
            *no_buttons,
        )
        try:
            async for step in self.answers.look(name, path):
                if isinstance(step, FrameSelection):
                    yield frame_strip(step), [], "", *self._suggest(path)
                elif step.num_before:
                    yield _busy(_waiting(step.num_before)), gr.skip(), gr.skip(), *no_buttons
        except RequestError as error:
            yield _alert(error.message), [], "", *no_buttons

    def _suggest(self, path: Any) -> list[Any]:
        """What can be asked about a file, on the buttons."""
        about = {str(example.file): example.questions for example in self.examples}
        questions = about.get(path, _ABOUT_ANYTHING if self.takes_videos else _ABOUT_IMAGES)
        return [
            gr.update(value=questions[index], visible=True) if index < len(questions) else gr.update(visible=False)
            for index in range(_SUGGESTIONS)
        ]

    async def _ask(self, question: str, remembers: bool, request: gr.Request) -> AsyncIterator[Any]:
        name = str(request.session_hash)
        earlier = self.answers.messages(name)
        asked = [*earlier, {"role": "user", "content": question}]
        busy = gr.update(value="", submit_btn=False, stop_btn="Stop")
        try:
            answer = ""
            async for step in self.answers.ask(name, str(question or ""), bool(remembers)):
                answer = step.text or (_waiting(step.num_before) if step.num_before else "…")
                if step.is_stopped:
                    answer = f"{step.text} (stopped)".strip()
                yield _as_text([*asked, {"role": "assistant", "content": answer}]), busy, ""
                busy = gr.skip()
            yield gr.skip(), gr.update(submit_btn="Ask", stop_btn=False), ""
        except RequestError as error:
            if error.code == BUSY:
                yield gr.skip(), gr.skip(), _alert(error.message)
                return
            yield _as_text(earlier), gr.update(value=question, submit_btn="Ask", stop_btn=False), _alert(error.message)

    def _stop(self, request: gr.Request) -> None:
        self.answers.stop(str(request.session_hash))

    def _reset(self, request: gr.Request) -> Any:
        self.answers.reset(str(request.session_hash))
        return [], ""

    def _leave(self, request: gr.Request) -> None:
        self.answers.forget(str(request.session_hash))

    def _empty_strip(self) -> str:
        if not self.takes_videos:
            return '<p class="mv-empty">Choose an image, take one with the camera, or try an example.</p>'
        return (
            '<p class="mv-empty">The frames that the model sees will be here. Choose a video, record one with the camera, or try an '
            "example.</p>"
        )

    def _empty_chat(self) -> str:
        kind = "video" if self.takes_videos else "image"
        return f"**Choose {self.answers.kind}, then ask about it**\n\nThe {kind} is encoded once; each question takes a moment."


def _chooser(file: Path) -> Any:
    value = {
        "path": str(file),
        "url": f"/gradio_api/file={file}",
        "orig_name": file.name,
        "meta": {"_type": "gradio.FileData"},
    }

    def choose() -> dict[str, Any]:
        return value

    return choose


def _as_text(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gradio takes what is said for HTML, also where it takes it for no Markdown."""
    return [{**message, "content": html.escape(message["content"], quote=False)} for message in messages]


def _waiting(num_before: int) -> str:
    return "One question is answered first …" if num_before == 1 else f"{num_before} questions are answered first …"


def _busy(text: str) -> str:
    return f'<p class="mv-empty mv-busy" role="status">{html.escape(text)}</p>'


def _alert(text: str) -> str:
    return f'<p class="mv-alert" role="alert">{html.escape(text)}</p>'
