# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `mvgpt ask` does with an exported model, which needs no torch."""

import sys
from typing import TYPE_CHECKING, Any

import typer


if TYPE_CHECKING:
    from ..video.limits import UntrustedInput

# Options of `mvgpt ask` that say how PyTorch computes or reads, and their values where they are not given.
_OF_PYTORCH = {
    "device": None,
    "dtype": "auto",
    "quantization": None,
    "video_backend": None,
    "sampling": None,
    "frame_selection": None,
}


def check_exported_options(model: str, options: dict[str, Any], is_exported: bool) -> None:
    """
    Args:
        model (`str`): the model's folder or repository.
        options (`dict`): of `mvgpt ask`, by their names in Python.
        is_exported (`bool`): whether this is an exported model.

    Raises:
        ValueError: if one is not for such a model.
    """
    from ..video.limits import shorten

    if not is_exported:
        for name in ("precision", "provider"):
            if options.get(name) is not None:
                raise ValueError(
                    f"`--{name}` is for exported models, and '{shorten(model)}' is none: write one with `mvgpt export-onnx`, or leave it "
                    "out."
                )
        return
    instead = {"device": "provider", "dtype": "precision", "quantization": "precision"}
    for name, default in _OF_PYTORCH.items():
        if options.get(name, default) != default:
            way_out = f"use `--{instead[name]}`" if name in instead else "leave it out"
            if name == "frame_selection":
                way_out = "set it in the model's config before it is exported"
            raise ValueError(
                f"`--{name.replace('_', '-')}` is for PyTorch, and '{shorten(model)}' is an exported model: {way_out}."
            )


def ask_exported(
    model: str,
    video: str,
    question: str,
    images: list[str],
    precision: str | None,
    provider: str | None,
    limits: "UntrustedInput",
    *,
    with_frames: bool,
    max_new_tokens: int | None,
    start_seconds: float | None,
    end_seconds: float | None,
) -> list[dict[str, Any]]:
    """
    Writes the answer to stdout, to a terminal as it is made.

    Returns:
        `list[dict]`: with `with_frames` the frames that the video encoder saw, as the pipeline describes them.
    """
    from ..runtime import OnnxVideoChat

    chat = OnnxVideoChat(model, precision=precision, providers=provider, untrusted_input=limits)
    if with_frames:
        chat.check_selects_frames("`--show-frames`")
    segment: dict[str, Any] = {"start_seconds": start_seconds, "end_seconds": end_seconds}
    shown = None
    if with_frames:
        # those of the video that is answered: an address is not fetched twice
        shown, segment = chat.encode(video, **segment), {}
    pieces = chat.stream(shown or video, question, images=images, max_new_tokens=max_new_tokens, **segment)
    if sys.stdout.isatty():
        for piece in pieces:
            typer.echo(piece, nl=False)
        typer.echo()
    else:
        typer.echo("".join(pieces))
    return [] if shown is None else shown.describe_frames()
