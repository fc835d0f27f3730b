# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt live`: questions about a camera, a stream or a file that is being written."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .default_model import model_or_default
from .limits import LimitOption, parse_limits
from .model_options import DeviceOption, DtypeOption, ModelOption, QuantizationOption
from .shown_frames import FrameSelectionOption


if TYPE_CHECKING:
    from ..video.stream_frames import StreamOptions

_DEFAULT_EVERY_SECONDS = 10.0


def live(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A camera (0, 1, camera, /dev/video0), a stream's address (http:, https:, tcp:, udp:, rtsp:, rtmp:) or the path of a file, "
            "which may still be growing.",
        ),
    ],
    question: Annotated[
        str | None,
        typer.Argument(metavar="QUESTION", help="What to ask again and again. Others can be typed at any time."),
    ] = None,
    model: ModelOption = None,
    every: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Seconds of the stream from one QUESTION to the next; by default 10.", show_default=False
        ),
    ] = None,
    window_seconds: Annotated[float, typer.Option(min=0.1, help="How much of the stream a question is about.")] = 30.0,
    frames_per_second: Annotated[float, typer.Option(min=0.01, help="Frames of a second that are looked at.")] = 4.0,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    as_fast_as_possible: Annotated[
        bool,
        typer.Option(
            "--as-fast-as-possible",
            help="Read a file as fast as frames are encoded, not at its own speed. No frame is dropped, and it waits for answers.",
        ),
    ] = False,
    idle_seconds: Annotated[
        float, typer.Option(min=0.1, help="A file that has not grown for so long is complete.")
    ] = 10.0,
    silence_seconds: Annotated[
        float, typer.Option(min=0.1, help="An address that has sent nothing for so long is broken.")
    ] = 10.0,
    reconnect: Annotated[
        bool, typer.Option("--reconnect", help="Connect again when a stream has ended or broken off.")
    ] = False,
    sampling: Annotated[
        Literal["frames", "time"] | None,
        typer.Option(
            help="What frames are spread over, which differs where some were dropped. By default as published: frames."
        ),
    ] = None,
    frame_selection: FrameSelectionOption = None,
    json: Annotated[bool, typer.Option("--json", help="Answers as lines of JSON, with their times.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")] = False,
    device: DeviceOption = None,
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    limit: LimitOption = None,
) -> None:
    """
    Ask about a live stream. Type a question at any time; answers go to stdout, each with the time that it is about. Ctrl+D or Ctrl+C ends.
    """
    from ..video.stream_frames import StreamOptions, check_source, is_file
    from .main import with_models

    options = StreamOptions(parse_limits(limit), silence_seconds=silence_seconds, idle_seconds=idle_seconds)
    if every is not None and question is None:
        raise typer.BadParameter("it needs a QUESTION to ask.", param_hint="'--every'")
    # all that can be wrong before a large model is loaded in vain
    check_source(source, options)
    follows_file = is_file(source)
    for name, is_given, fits in (
        ("--as-fast-as-possible", as_fast_as_possible, follows_file),
        ("--reconnect", reconnect, not follows_file),
    ):
        if is_given and not fits:
            what = "files, which are there already" if name == "--as-fast-as-possible" else "streams and cameras"
            raise typer.BadParameter(f"it is for {what}.", param_hint=f"'{name}'")
    feed = {
        "keeps_time": follows_file and not as_fast_as_possible,
        "waits": as_fast_as_possible,
        "reconnects": reconnect,
    }
    loop = {
        "question": question,
        "every_seconds": every or _DEFAULT_EVERY_SECONDS,
        "waits": as_fast_as_possible,
        "as_json": json,
        "is_quiet": quiet,
        "generate_kwargs": {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens},
    }
    loading = {"device": device, "dtype": dtype, "quantization": quantization}
    window = {
        "window_seconds": window_seconds,
        "frames_per_second": frames_per_second,
        "sampling": sampling,
        "frame_selection": frame_selection,
    }
    with_models(_run)(model_or_default(model, is_quiet=quiet), loading, window, source, options, feed, loop)


def _load(model: str, loading: dict[str, Any], window: dict[str, Any], is_quiet: bool) -> Any:
    """The [`LiveVideo`] of a model."""
    from ..chat.live_video import LiveVideo
    from ..conversion.loading import find_family
    from ..evaluation.pipeline_loading import load_pipeline
    from ..evaluation.quantization import check_quantization
    from ..scale.visual_checks import check_family
    from .model_checks import check_device, check_model
    from .progress import step

    check_model(model)
    check_device(loading["device"])
    if loading["quantization"] is not None:
        check_quantization(loading["quantization"], loading["device"])
    family = find_family(model)
    if family is not None and check_family(family, ()) == "image":
        raise ValueError(
            f"{family.name} takes images, no videos: `mvgpt live` needs a model for videos, of Mobile-VideoGPT or TinyLLaVA-Video."
        )
    check_family(family, [name for name in ("frame_selection",) if window[name] is not None])
    with step("Loading the model", is_quiet=is_quiet):
        pipe = load_pipeline(model, **loading)
    return LiveVideo(pipe.model, pipe.processor, **window)


def _run(
    model: str,
    loading: dict[str, Any],
    window: dict[str, Any],
    source: str,
    options: "StreamOptions",
    feed: dict[str, bool],
    loop: dict[str, Any],
) -> None:
    from ..chat.live_feed import LiveFeed
    from ..video.stream_frames import FrameStream
    from .live_loop import LiveLoop

    video = _load(model, loading, window, loop["is_quiet"])
    LiveLoop(
        video,
        lambda on_frame: LiveFeed(video, partial(FrameStream, source, options), **feed, on_frame=on_frame),
        **loop,
    ).run()
