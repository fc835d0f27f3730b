# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt ask`: a question about videos, or with a model of images about images."""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .answer_output import AnswerOutput
from .ask_exported import ask_exported, check_exported_options
from .default_model import model_or_default
from .error_lines import as_options
from .extras import require_decoder
from .interruption import interruptible
from .limits import LimitOption, parse_limits
from .model_checks import check_device, check_image, check_model
from .model_options import (
    DeviceOption,
    DtypeOption,
    PrecisionOption,
    ProviderOption,
    QuantizationOption,
    SamplingOption,
    VideoBackendOption,
)
from .progress import step
from .questions import split_arguments
from .shown_frames import FrameSelectionOption
from .times import EndSecondsOption, StartSecondsOption, check_segment


if TYPE_CHECKING:
    from ..video.limits import UntrustedInput
    from ..video.visual_files import FoundVisuals

# From so many videos on, an interruption costs more than a file of answers.
_MANY = 100


def ask(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO... QUESTION",
            help="Paths or addresses of videos, folders, patterns in quotes ('clips/*.mp4'); of images, with a model that takes images "
            "alone. Then what to ask about each; - reads that from stdin.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Folder, or repository on the Hugging Face Hub. By default the package's small one, for drawn clips.",
        ),
    ] = None,
    image: Annotated[
        list[str] | None, typer.Option(help="Path or address of an image to show before it; may be repeated.")
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    start_seconds: StartSecondsOption = None,
    end_seconds: EndSecondsOption = None,
    sampling: SamplingOption = None,
    think: Annotated[
        bool,
        typer.Option("--think", help="Have TinyLLaVA-Video-R1 write down its thoughts, in tags, before its answer."),
    ] = False,
    device: DeviceOption = None,
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    video_backend: VideoBackendOption = None,
    frame_selection: FrameSelectionOption = None,
    show_frames: Annotated[
        bool,
        typer.Option(
            "--show-frames",
            help="Also show the frames that the video encoder saw, on stderr: in a terminal that draws pictures as one, else as a list; "
            "with --json in it.",
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Write a line of JSON for each video: file, question, answer or error, seconds."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but errors on stderr.")] = False,
    precision: PrecisionOption = None,
    provider: ProviderOption = None,
    limit: LimitOption = None,
) -> None:
    """
    Answer a question about a video or image. The answer goes to stdout, and nothing else does; of several videos, each line begins with its
    file. Exit code 3: some of several videos could not be read, and have an error on stderr.
    """
    from ..processing.chat_messages import check_question
    from ..runtime.onnx_folder import is_exported_folder
    from ..video.source_checks import check_video
    from ..video.visual_files import is_named
    from .main import with_models

    videos, question = split_arguments(arguments)
    check_segment(start_seconds, end_seconds)
    limits = parse_limits(limit)
    check_question(question)
    if len(videos) == 1 and not as_json and is_named(videos[0]):
        check_video(videos[0], limits)  # before the seconds that PyTorch takes
    model = model_or_default(model, is_quiet=quiet)
    is_exported = is_exported_folder(model)
    check_exported_options(model, locals(), is_exported)
    options: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "start_seconds": start_seconds,
        "end_seconds": end_seconds,
        "think": think or None,
    }
    looks = {"as_json": as_json, "is_quiet": quiet}
    if is_exported:
        interruptible(ask_exported)(
            model, videos, question, image or [], precision, provider, limits, show_frames, looks, options
        )
        return
    options |= {
        "sampling": sampling,
        "video_backend": video_backend,
        "frame_selection": frame_selection,
        "return_selected_frames": show_frames or None,
    }
    options = {name: value for name, value in options.items() if value is not None}
    run = with_models(_ask, is_quiet=quiet)
    run(videos, question, model, image or [], options, device, dtype, quantization, limits, **looks)


def _ask(
    videos: list[str],
    question: str,
    model: str,
    images: list[str],
    options: dict[str, Any],
    device: str | None,
    dtype: str,
    quantization: str | None,
    limits: "UntrustedInput",
    *,
    as_json: bool,
    is_quiet: bool,
) -> None:
    """With PyTorch. `options` are the pipeline's."""
    from ..conversion.loading import find_family
    from ..evaluation.pipeline_loading import load_pipeline
    from ..evaluation.quantization import check_quantization
    from ..scale.visual_checks import check_family, check_images, check_videos
    from ..video.visual_files import find_visuals

    @functools.cache
    def family() -> Any:
        check_model(model)
        return find_family(model)

    @functools.cache
    def kind() -> str:
        return check_family(family(), options)

    # all that can be wrong before a large model is loaded in vain
    found = find_visuals(videos, kind)
    is_alone = not (found.are_several or as_json)
    problems = check_videos(found.paths, limits, raises=is_alone)
    for path in images:
        check_image(path)
    check_model(model)
    check_device(device)
    require_decoder(options.get("video_backend"))
    if quantization is not None:
        check_quantization(quantization, device)
    if kind() == "image":
        problems |= check_images(found.paths, limits, family=family(), raises=is_alone)
    writer = AnswerOutput(question, are_several=found.are_several, as_json=as_json)
    if not is_quiet:
        describe_found(found)
    records: Iterator[dict[str, Any]] = iter(())
    if readable := [path for path in found.paths if path not in problems]:
        with step("Loading the model", is_quiet=is_quiet):
            pipe = load_pipeline(model, quantization=quantization, untrusted_input=limits, device=device, dtype=dtype)
        _check_think(pipe, options)
        records = _answer(pipe, readable, question, images, kind(), options, writer, is_alone)
    with step("", is_quiet=is_quiet) as say:
        for number, path in enumerate(found.paths, 1):
            say(f"Looking at {path}" + (f" ({number} of {len(found.paths)})" if found.are_several else ""))
            writer.begin(path)
            if path in problems:
                writer.fail(as_options(problems[path], ask))
                continue
            record = next(records)
            if "error" in record:
                writer.fail(as_options(record["error"], ask))
            else:
                answer = None if writer.is_streaming else record["generated_text"]
                selections = record.get("frame_selections", ())
                writer.finish(answer, record.get("selected_frames"), selections, limits)
    writer.end()


def _answer(
    pipe: Any,
    paths: list[str],
    question: str,
    images: list[str],
    kind: str,
    options: dict[str, Any],
    writer: AnswerOutput,
    is_alone: bool,
) -> Iterator[dict[str, Any]]:
    """The pipeline's record of each path, in turn. Of one that is alone, errors are raised."""
    from ..scale.answers_in_turn import answer_in_turn
    from .streamed_answers import PieceStreamer

    if writer.is_streaming:
        options = options | {"streamer": PieceStreamer(pipe.processor.tokenizer, writer.write)}
    samples = (
        {"images": [*images, path], "text": question}
        if kind == "image"
        else {"images": images, "video": path, "text": question}
        for path in paths
    )
    if is_alone:
        for sample in samples:
            yield pipe(sample, **options)[0]
    else:
        yield from answer_in_turn(pipe, samples, **options)


def describe_found(found: "FoundVisuals") -> None:
    """Says on stderr what users should know about the videos that their arguments name."""
    for note in found.notes:
        typer.echo(note, err=True)
    if len(found.paths) > _MANY:
        typer.echo(
            f"{len(found.paths)} videos: `mvgpt caption` writes the answers to a file, answers several at once, and goes on after an interruption.",
            err=True,
        )


def _check_think(pipe: Any, options: dict[str, Any]) -> None:
    """
    Raises:
        ValueError: if the model is to think, and cannot be told to.
    """
    if "think" in options and "think" not in pipe.processor.chat_variables():
        raise ValueError("This model's chat template has no thinking: leave `--think` out.")
