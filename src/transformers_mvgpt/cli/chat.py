# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt chat`: a conversation about a video, or with a model of images about an image."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .default_model import model_or_default
from .extras import require_decoder
from .limits import LimitOption, parse_limits
from .model_options import (
    DeviceOption,
    DtypeOption,
    ModelOption,
    PrecisionOption,
    ProviderOption,
    QuantizationOption,
    SamplingOption,
    VideoBackendOption,
)
from .shown_frames import FrameSelectionOption
from .times import EndSecondsOption, StartSecondsOption, check_segment


if TYPE_CHECKING:
    from ..video.limits import UntrustedInput
    from .chat_loop import OpenedVisual


def chat(
    video: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO",
            help="Path or address of a video, or a folder of frames; of an image, with a model that takes images alone.",
        ),
    ],
    model: ModelOption = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    single_questions: Annotated[
        bool | None,
        typer.Option(
            "--single-questions/--turns",
            help="Whether each question is answered without the earlier ones. By default for the package's small model, which was "
            "trained on single questions.",
        ),
    ] = None,
    start_seconds: StartSecondsOption = None,
    end_seconds: EndSecondsOption = None,
    sampling: SamplingOption = None,
    frame_selection: FrameSelectionOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    video_backend: VideoBackendOption = None,
    precision: PrecisionOption = None,
    provider: ProviderOption = None,
    limit: LimitOption = None,
) -> None:
    """
    Talk about a video. The answers go to stdout, and nothing else does; /help lists what can be typed beside questions. Lines that come
    through a pipe are questions too.
    """
    from ..runtime.onnx_folder import is_exported_folder
    from ..video.source_checks import check_video
    from .ask_exported import check_exported_options
    from .main import with_models

    check_segment(start_seconds, end_seconds)
    limits = parse_limits(limit)
    check_video(video, limits)
    model = model_or_default(model)
    is_exported = is_exported_folder(model)
    check_exported_options(model, locals(), is_exported)
    segment = {"start_seconds": start_seconds, "end_seconds": end_seconds, "sampling": sampling}
    segment = {name: value for name, value in segment.items() if value is not None}
    if is_exported:
        _chat_exported(video, model, segment, precision, provider, bool(single_questions), max_new_tokens, limits)
        return
    backend = {} if video_backend is None else {"video_backend": video_backend}
    sees_earlier_turns = not (_is_small_model(model) if single_questions is None else single_questions)
    with_models(_chat)(
        video,
        model,
        segment,
        backend,
        {"frame_selection": frame_selection, "sees_earlier_turns": sees_earlier_turns},
        {"device": device, "dtype": dtype, "quantization": quantization},
        max_new_tokens,
        limits,
    )


def _chat(
    video: str,
    model: str,
    segment: dict[str, Any],
    backend: dict[str, Any],
    options: dict[str, Any],
    loading: dict[str, Any],
    max_new_tokens: int | None,
    limits: "UntrustedInput",
) -> None:
    """With PyTorch."""
    from ..evaluation.pipeline_loading import load_pipeline
    from ..evaluation.quantization import check_quantization
    from ..scale.visual_checks import visuals_for
    from .chat_visuals import OpensVisuals
    from .model_checks import check_device, check_model
    from .progress import step

    # all that can be wrong before a large model is loaded in vain
    check_model(model)
    check_device(loading["device"])
    require_decoder(backend.get("video_backend"))
    if loading["quantization"] is not None:
        check_quantization(loading["quantization"], loading["device"])
    given = [*segment, *backend, *(name for name in ("frame_selection",) if options[name] is not None)]
    visuals_for(model, video, [], given, limits)
    with step("Loading the model"):
        pipe = load_pipeline(model, untrusted_input=limits, **loading)
    open_visual = OpensVisuals(pipe.model, pipe.processor, backend, **options)
    _talk(open_visual, open_visual(video, **segment), max_new_tokens)


def _chat_exported(
    video: str,
    model: str,
    segment: dict[str, Any],
    precision: str | None,
    provider: str | None,
    single_questions: bool,
    max_new_tokens: int | None,
    limits: "UntrustedInput",
) -> None:
    from ..runtime import OnnxVideoChat
    from .chat_visuals import OpensVisualsExported
    from .progress import step

    with step("Loading the model"):
        onnx_chat = OnnxVideoChat(model, precision=precision, providers=provider, untrusted_input=limits)
    open_visual = OpensVisualsExported(onnx_chat, sees_earlier_turns=not single_questions)
    _talk(open_visual, open_visual(video, **segment), max_new_tokens)


def _talk(open_visual: Any, opened: "OpenedVisual", max_new_tokens: int | None) -> None:
    from .chat_loop import COMMANDS, ChatLoop
    from .line_input import LineHistory, PipedLines, TypedLines, history_file
    from .terminal_text import is_terminal, write_note

    is_typed = is_terminal(sys.stdin)
    lines: TypedLines | PipedLines = PipedLines()
    if is_typed:
        lines = TypedLines(LineHistory(history_file()), list(COMMANDS))
        write_note(f"Ask about {opened.saved.name}. /help lists what else there is, Ctrl-D ends.")
    loop = ChatLoop(open_visual, opened, lines, is_typed=is_typed, max_new_tokens=max_new_tokens)
    raise typer.Exit(loop.run())


def _is_small_model(model: str) -> bool:
    from ..demo.package_data import CHECKPOINT

    return os.path.isdir(model) and os.path.samefile(model, CHECKPOINT)
