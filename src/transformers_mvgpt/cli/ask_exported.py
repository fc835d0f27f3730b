# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `mvgpt ask` does with an exported model, which needs no torch."""

from typing import TYPE_CHECKING, Any

from .answer_output import AnswerOutput
from .error_lines import one_line


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
    videos: list[str],
    question: str,
    images: list[str],
    precision: str | None,
    provider: str | None,
    limits: "UntrustedInput",
    show_frames: bool,
    looks: dict[str, bool],
    options: dict[str, Any],
) -> None:
    """
    Writes the answers to stdout, to a terminal as they are made.

    Args:
        looks (`dict[str, bool]`): `as_json` and `is_quiet`.
        options (`dict`): `max_new_tokens`, `start_seconds`, `end_seconds` and variables of the chat template.
    """
    from ..runtime import OnnxVideoChat
    from ..runtime.onnx_folder import ExportedFolder
    from ..video.visual_files import find_visuals
    from .ask import ask, describe_found

    family = ExportedFolder(model).family
    found = find_visuals(videos, lambda: "video" if "video" in family.placeholders else "image")
    chat = OnnxVideoChat(model, precision=precision, providers=provider, untrusted_input=limits)
    if show_frames:
        chat.check_selects_frames("`--show-frames`")
    options = {name: value for name, value in options.items() if value is not None}
    segment = {name: options.pop(name) for name in ("start_seconds", "end_seconds") if name in options}
    writer = AnswerOutput(question, are_several=found.are_several, as_json=looks["as_json"])
    if not looks["is_quiet"]:
        describe_found(found)
    for path in found.paths:
        writer.begin(path)
        try:
            # the frames of the video that is answered: an address is not fetched twice
            shown = chat.encode(path, **segment) if show_frames else None
            of_video = segment if shown is None else {}
            pieces = chat.stream(shown or path, question, images=images, **of_video, **options)
            if writer.is_streaming:
                for piece in pieces:
                    writer.write(piece)
            answer = None if writer.is_streaming else "".join(pieces)
        except (OSError, ValueError) as error:
            if not (found.are_several or looks["as_json"]):
                raise
            writer.fail(one_line(error, ask))
        else:
            writer.finish(answer, None if shown is None else shown.describe_frames())
    writer.end()
