# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt caption`: a question about each of many videos or images."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .error_lines import EXIT_UNREAD
from .extras import require, require_decoder
from .limits import LimitOption, parse_limits
from .model_checks import check_device, check_model
from .model_options import DeviceOption, DtypeOption, QuantizationOption, VideoBackendOption
from .progress import step
from .times import EndSecondsOption, StartSecondsOption, check_segment


if TYPE_CHECKING:
    from ..scale.input_rows import InputRows


def caption(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files, addresses, folders, patterns in quotes ('clips/**/*.mp4'); lists (.jsonl, .json, .csv, .parquet, saved "
            "datasets) with a column video or image, and maybe question.",
        ),
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="Folder, or repository on the Hugging Face Hub.")],
    out: Annotated[
        Path, typer.Option(help="File for the answers, .jsonl or .parquet. A run that was interrupted goes on.")
    ],
    prompt: Annotated[str | None, typer.Option(help="What to ask, where a list has no question.")] = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Also write which frames the video encoder saw, with times and scores.")
    ] = False,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    start_seconds: StartSecondsOption = None,
    end_seconds: EndSecondsOption = None,
    sampling: Annotated[
        Literal["frames", "time"] | None,
        typer.Option(help="What frames are spread over. By default as published: frames."),
    ] = None,
    video_backend: VideoBackendOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Videos that are answered together.")] = 4,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode the next videos.")] = 1,
    device: DeviceOption = None,
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    media_folder: Annotated[
        Path | None, typer.Option(help="What paths in lists are relative to; by default the folder of the list.")
    ] = None,
    media_anywhere: Annotated[
        bool, typer.Option("--media-anywhere", help="Let paths in lists leave that folder.")
    ] = False,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask again about what could not be answered in earlier runs.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Address of a cluster of Ray, whose workers answer; auto: the one here, local: this machine."
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Workers of Ray, each with a model; by default one for each GPU.")
    ] = None,
    limit: LimitOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew: replace the file of --out.")] = False,
) -> None:
    """
    Ask a question about each of many videos or images. Answers are written as they come; given again, the command goes on where it was
    interrupted. Exit code 3: some could not be answered, and have an error (with a launcher, the code is 0). For several devices, start it with
    `accelerate launch --no-python mvgpt caption ...`.
    """
    check_segment(start_seconds, end_seconds)
    if ray is not None:
        require("`--ray`", "ray", "ray", "pyarrow")
    from ..scale.captioning import CaptioningStopped
    from ..scale.captioning import caption as caption_all

    limits = parse_limits(limit)
    check_model(model)
    check_device(device)
    require_decoder(video_backend)
    options: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "start_seconds": start_seconds,
        "end_seconds": end_seconds,
        "sampling": sampling,
        "video_backend": video_backend,
        "return_selected_frames": frames or None,
    }
    with step(f"Loading {model}") as change_step:
        progress = _Progress(change_step)
        try:
            counts = caption_all(
                model,
                inputs,
                out,
                prompt=prompt,
                media_folder=media_folder,
                media_anywhere=media_anywhere,
                overwrite=overwrite,
                retry_errors=retry_errors,
                ray=ray,
                concurrency=concurrency,
                on_start=progress.start,
                on_row=progress.show,
                batch_size=batch_size,
                num_workers=workers,
                device=device,
                dtype=dtype,
                quantization=quantization,
                untrusted_input=limits,
                **{name: value for name, value in options.items() if value is not None},
            )
        except CaptioningStopped as stopped:
            progress.close()
            typer.echo(str(stopped), err=True)
            raise typer.Exit(128 + stopped.signal_number) from stopped
        finally:
            progress.close()
    if not counts.is_main_process:
        return
    more = f", {counts.others} of them not in the input any more" if counts.others else ""
    typer.echo(f"Wrote {out}: {counts.answers} answered, {counts.errors} failed{more}")
    # a launcher would take it for a crash
    if counts.errors and not counts.is_launched:
        raise typer.Exit(EXIT_UNREAD)


class _Progress:
    """A bar on stderr: rows, their rate, the time that the rest will take, and errors."""

    def __init__(self, change_step: Callable[[str], None]) -> None:
        self._change_step = change_step
        self._bar: Any = None
        self._num_errors = 0

    def start(self, rows: "InputRows", num_left: int, num_done: int) -> None:
        from tqdm import tqdm

        self._change_step("Answering")
        if left_out := rows.describe_left_out():
            typer.echo(left_out.strip(), err=True)
        self._bar = tqdm(desc="Answers", total=num_done + num_left, initial=num_done, unit="row")

    def show(self, row: Mapping[str, Any]) -> None:
        if self._bar is None:  # another process shows the progress
            return
        if row.get("error") is not None:
            self._num_errors += 1
            self._bar.set_postfix({"failed": self._num_errors}, refresh=False)
        self._bar.update()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
