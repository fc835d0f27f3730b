# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt ask`: a question about a video."""

import os
import sys
from typing import Annotated, Any, Literal

import typer

from .limits import LimitOption, parse_limits


def ask(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="Path or address of a video, or a folder of frames.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask about it.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Folder, or repository on the Hugging Face Hub.")],
    image: Annotated[
        list[str] | None, typer.Option(help="Path or address of an image to show before the video; may be repeated.")
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    start_seconds: Annotated[float | None, typer.Option(min=0, help="Start of the segment to look at.")] = None,
    end_seconds: Annotated[float | None, typer.Option(min=0, help="End of the segment to look at.")] = None,
    sampling: Annotated[
        Literal["frames", "time"] | None,
        typer.Option(
            help="What frames are spread over; at a variable frame rate that is not the same. By default as published: frames."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Device, such as cpu, cuda, cuda:1 or mps; by default a GPU if there is one.")
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(help="Data type of the weights; auto takes the one they are stored in."),
    ] = "auto",
    video_backend: Annotated[
        Literal["pyav", "torchcodec", "opencv", "decord"] | None,
        typer.Option(help="Video decoder; by default the first of these that is installed."),
    ] = None,
    show_frames: Annotated[
        bool, typer.Option("--show-frames", help="Also list, on stderr, the frames that the video encoder saw.")
    ] = False,
    limit: LimitOption = None,
) -> None:
    """Answer a question about a video. The answer goes to stdout, and nothing else does."""
    from transformers import TextStreamer, pipeline

    from ..video.sources import resolve_source

    limits = parse_limits(limit)
    _check_model(model)
    if not video.lower().startswith(("http:", "https:")):
        # before a large model is loaded in vain
        resolve_source(video, limits)
    pipe = pipeline("video-text-to-text", model=model, device=device, dtype=dtype)
    pipe.processor.untrusted_input = limits
    options: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "start_seconds": start_seconds,
        "end_seconds": end_seconds,
        "sampling": sampling,
        "video_backend": video_backend,
        "return_selected_frames": show_frames or None,
    }
    options = {name: value for name, value in options.items() if value is not None}
    is_watched = sys.stdout.isatty()
    if is_watched:
        options["streamer"] = TextStreamer(pipe.processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
    [answer] = pipe({"images": image or [], "video": video, "text": question}, **options)
    if not is_watched:
        typer.echo(answer["generated_text"])
    for line in frame_lines(answer.get("selected_frames", [])):
        typer.echo(line, err=True)


def frame_lines(selected_frames: list[dict[str, Any]]) -> list[str]:
    """One line per frame, as the pipeline describes them."""
    return [
        f"frame {frame['index']:6d}"
        + (f"  {frame['seconds']:9.2f} s" if frame["seconds"] is not None else "")
        + f"  score {frame['score']:.1f}"
        for frame in selected_frames
    ]


def _check_model(model: str) -> None:
    """A mistyped path deserves a better message than that it is no name of a repository."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    if os.path.isdir(model):
        from ..conversion.loading import read_config

        if os.path.isfile(os.path.join(model, "config.json")):
            read_config(model)  # before transformers does, whose errors do not name the file
        return
    try:
        validate_repo_id(model)
    except HFValidationError as error:
        raise FileNotFoundError(
            f"There is no model folder '{model}'. Check the path, or name a repository on the Hub as 'owner/name'."
        ) from error
