# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt ask`: a question about a video, or with a model of images about an image."""

import os
import re
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .limits import LimitOption, parse_limits
from .model_options import DeviceOption, DtypeOption, QuantizationOption
from .shown_frames import FrameSelectionOption, write_frames
from .times import EndSecondsOption, StartSecondsOption


if TYPE_CHECKING:
    from ..video.limits import UntrustedInput

# Options of the pipeline that say how a video is read.
_OF_VIDEOS = ("start_seconds", "end_seconds", "sampling", "video_backend")
# Those that need a model which selects frames, and what they are called here.
_OF_SELECTED_FRAMES = {"frame_selection": "--frame-selection", "return_selected_frames": "--show-frames"}


def ask(
    video: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO",
            help="Path or address of a video, or a folder of frames; of an image, with a model that takes images alone.",
        ),
    ],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask about it.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Folder, or repository on the Hugging Face Hub.")],
    image: Annotated[
        list[str] | None, typer.Option(help="Path or address of an image to show before it; may be repeated.")
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    start_seconds: StartSecondsOption = None,
    end_seconds: EndSecondsOption = None,
    sampling: Annotated[
        Literal["frames", "time"] | None,
        typer.Option(
            help="What frames are spread over; at a variable frame rate that is not the same. By default as published: frames."
        ),
    ] = None,
    device: DeviceOption = None,
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    video_backend: Annotated[
        Literal["pyav", "torchcodec", "opencv", "decord"] | None,
        typer.Option(help="Video decoder; by default the first of these that is installed."),
    ] = None,
    frame_selection: FrameSelectionOption = None,
    show_frames: Annotated[
        bool, typer.Option("--show-frames", help="Also list, on stderr, the frames that the video encoder saw.")
    ] = False,
    precision: Annotated[
        Literal["fp32", "fp16", "int8", "q4"] | None,
        typer.Option(help="Of an exported model, the language model's; by default the first there is."),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            help="Of an exported model, what computes: cpu, cuda, coreml, directml, openvino, ...; by default cpu."
        ),
    ] = None,
    limit: LimitOption = None,
) -> None:
    """Answer a question about a video or image. The answer goes to stdout, and nothing else does."""
    from ..runtime.onnx_folder import is_exported_folder
    from .ask_exported import ask_exported, check_exported_options
    from .main import with_models

    limits = parse_limits(limit)
    is_exported = is_exported_folder(model)
    check_exported_options(model, locals(), is_exported)
    options: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "start_seconds": start_seconds,
        "end_seconds": end_seconds,
    }
    if is_exported:
        frames = ask_exported(
            model, video, question, image or [], precision, provider, limits, with_frames=show_frames, **options
        )
        write_frames(frames)
        return
    options |= {
        "sampling": sampling,
        "video_backend": video_backend,
        "frame_selection": frame_selection,
        "return_selected_frames": show_frames or None,
    }
    options = {name: value for name, value in options.items() if value is not None}
    with_models(_ask)(video, question, model, image or [], options, device, dtype, quantization, limits)


def _ask(
    video: str,
    question: str,
    model: str,
    images: list[str],
    options: dict[str, Any],
    device: str | None,
    dtype: str,
    quantization: str | None,
    limits: "UntrustedInput",
) -> None:
    """With PyTorch. `options` are the pipeline's."""
    from transformers import TextStreamer

    from ..evaluation.pipeline_loading import load_pipeline
    from ..evaluation.quantization import check_quantization
    from ..processing.chat_messages import check_question

    # all that can be wrong before a large model is loaded in vain
    check_question(question)
    check_video(video, limits)
    for path in images:
        check_image(path)
    check_model(model)
    check_device(device)
    if quantization is not None:
        check_quantization(quantization, device)
    visuals = visuals_for(model, video, images, options, limits)
    pipe = load_pipeline(model, quantization=quantization, untrusted_input=limits, device=device, dtype=dtype)
    is_watched = sys.stdout.isatty()
    if is_watched:
        options["streamer"] = TextStreamer(pipe.processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
    [answer] = pipe({**visuals, "text": question}, **options)
    if not is_watched:
        typer.echo(answer["generated_text"])
    write_frames(answer.get("selected_frames", []))


def check_video(video: str, limits: "UntrustedInput") -> None:
    """
    Raises:
        ValueError, OSError: if this is a path, and there is no video or folder at it.
    """
    from ..video.sources import resolve_source

    if not video.lower().startswith(("http:", "https:")):
        source = resolve_source(video, limits)
        if not source.is_folder:
            source.container()  # refuses a playlist


def check_model(model: str) -> None:
    """
    A mistyped path deserves a better message than that the Hub has no such repository, and a quicker one.

    Raises:
        FileNotFoundError: if there is no such folder, and it can be no repository or cannot be looked for.
    """
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    from ..video.limits import shorten

    if os.path.isdir(model):
        from ..conversion.loading import read_config
        from ..processing.processor_files import check_json_files

        if os.path.isfile(os.path.join(model, "config.json")):
            read_config(model)  # before transformers does, whose errors do not name the file
        check_json_files(model)
        return
    missing = f"There is no model folder '{shorten(model)}'"
    parent, name = os.path.split(model)
    is_path = not name or parent in ("", ".", "..") or model.startswith("~") or os.path.isdir(parent)
    try:
        validate_repo_id(model)
    except HFValidationError:
        is_path = True
    if is_path:
        raise FileNotFoundError(f"{missing}. Check the path, or name a repository on the Hub as 'owner/name'.")
    if constants.HF_HUB_OFFLINE and not isinstance(try_to_load_from_cache(model, "config.json"), str):
        raise FileNotFoundError(
            f"{missing}, and no repository of this name in the cache, which is all there is to look at offline (HF_HUB_OFFLINE). "
            "Check the name, or go online."
        )


def visuals_for(
    model: str, video: str, images: list[str], options: Collection[str], limits: "UntrustedInput"
) -> dict[str, Any]:
    """
    What the pipeline is given to look at.

    Args:
        model (`str`): the model's folder or repository.
        video (`str`), images (`list[str]`): paths or addresses.
        options (`Collection[str]`): names of the pipeline's options that are used.
        limits ([`UntrustedInput`]): the limits on files and addresses.

    Raises:
        ValueError: if the model does not take them.
    """
    from ..conversion.loading import read_config
    from ..families import FAMILIES
    from ..processing.image_inputs import read_image
    from ..video.limits import shorten

    try:
        config = read_config(model)
    except OSError:  # of an adapter, or of nothing, which the pipeline says
        return {"images": images, "video": video}
    family = next((family for family in FAMILIES if config.model_type in family.model_types), None)
    if family is None:  # not of this package; its processor says what it takes
        return {"images": images, "video": video}
    for name, option in _OF_SELECTED_FRAMES.items():
        if name in options and not hasattr(config, "num_selected_frames"):
            raise ValueError(
                f"{family.name} selects no frames, it looks at all that it is given: leave `{option}` out."
            )
    if family.video_processor_class is not None:
        return {"images": images, "video": video}
    if unused := [name for name in options if name in _OF_VIDEOS]:
        raise ValueError(
            f"{family.name} takes images, no videos: leave `--{unused[0].replace('_', '-')}` out, or use a model for videos."
        )
    try:
        image = read_image(video, limits)
    except ValueError as error:
        raise ValueError(
            f"{family.name} takes images, no videos: pass an image as VIDEO, others with `--image`, or use a model for videos. "
            f"{shorten(str(error))}"
        ) from error
    return {"images": [*images, image]}


def check_device(device: str | None) -> None:
    """
    Raises:
        ValueError: if there is no such device.
    """
    import torch

    from ..video.limits import shorten

    if device is None:
        return
    try:
        if torch.empty(1, device=device).is_meta:
            raise ValueError("it holds no numbers")
    except Exception as error:  # of many kinds, with the device
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"`--device {shorten(device)}` cannot be used here ({shorten(reason)}). Use cpu, cuda, cuda:1 or mps, or leave it out."
        ) from error


def check_image(image: str) -> None:
    """
    Raises:
        FileNotFoundError: if this is a path, and there is no file at it.
    """
    from ..video.limits import shorten

    if not re.match("[A-Za-z][A-Za-z0-9+.-]+:", image) and not os.path.isfile(image):
        raise FileNotFoundError(f"There is no image at '{shorten(image)}'. Check the path given as `--image`.")
