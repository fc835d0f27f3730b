# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt frames`: which frames of a video a model looks at, as a picture or as a list."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .default_model import model_or_default
from .extras import require
from .limits import LimitOption, parse_limits
from .model_options import DeviceOption, DtypeOption, ModelOption, VideoBackendOption
from .shown_frames import FrameSelectionOption, ThemeOption, show_selection
from .times import EndSecondsOption, StartSecondsOption, check_segment


if TYPE_CHECKING:
    from ..video.limits import UntrustedInput

# What matplotlib writes, by suffix, and a reader of pictures expects.
_SUFFIXES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp")


def frames(
    video: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO",
            help="Path or address of a video, or a folder of frames; of an image, with a model that takes images alone.",
        ),
    ],
    model: ModelOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The picture to write: .png, .svg, .pdf, .jpg or .webp. Without it, they are drawn in the terminal, or listed.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a picture that is there already.")] = False,
    frame_selection: FrameSelectionOption = None,
    start_seconds: StartSecondsOption = None,
    end_seconds: EndSecondsOption = None,
    theme: ThemeOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = "auto",
    video_backend: VideoBackendOption = None,
    limit: LimitOption = None,
) -> None:
    """Show which frames of a video a model looks at, and how it scored them."""
    from ..video.source_checks import check_video
    from .main import with_models

    check_segment(start_seconds, end_seconds)
    limits = parse_limits(limit)
    check_video(video, limits)
    if out is not None:
        _check_picture(out)
    options = {
        "frame_selection": frame_selection,
        "start_seconds": start_seconds,
        "end_seconds": end_seconds,
        "video_backend": video_backend,
    }
    options = {name: value for name, value in options.items() if value is not None}
    with_models(_frames)(video, model_or_default(model), out, overwrite, options, theme, device, dtype, limits)


def _check_picture(out: Path) -> None:
    """
    What can be told at once.

    Raises:
        ValueError, ImportError: if no such picture can be drawn.
    """
    from ..video.limits import shorten

    if out.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"`--out` ({shorten(str(out))}) must end in {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}.")
    require("A picture of frames", "plots", "matplotlib")


def _frames(
    video: str,
    model: str,
    out: Path | None,
    overwrite: bool,
    options: dict[str, Any],
    theme: Literal["light", "dark"] | None,
    device: str | None,
    dtype: str,
    limits: "UntrustedInput",
) -> None:
    from ..conversion.written_files import check_new_file
    from ..evaluation.pipeline_loading import load_pipeline
    from ..scale.visual_checks import visuals_for
    from ..viewing import encode_with_frames
    from .model_checks import check_device, check_model
    from .progress import step

    if out is not None:
        check_new_file(out, overwrite)
    check_model(model)
    check_device(device)
    visuals = visuals_for(model, video, [], options, limits)
    with step("Loading the model") as say:
        pipe = load_pipeline(model, untrusted_input=limits, device=device, dtype=dtype)
        say("Reading the video")
        visual = visuals.get("video", visuals["images"])
        _, selection = encode_with_frames(pipe.model, pipe.processor, visual, **options)
    if out is None:
        show_selection(selection, theme)
    else:
        write_picture(selection, out, theme or "light")
        typer.echo(f"{out}: {selection.describe()}")


def write_picture(selection: Any, out: Path, theme: Literal["light", "dark"]) -> None:
    """Writes the picture of a [`FrameSelection`], in the format of its suffix."""
    import io

    from ..conversion.written_files import write_file
    from ..viewing import plot_frame_selection

    content = io.BytesIO()
    plot_frame_selection(selection, theme=theme).savefig(content, format=out.suffix[1:].lower(), dpi=200)
    write_file(out, content.getvalue())
