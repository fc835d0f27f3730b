# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`make live-soak`: ten minutes of a stream with the small model, and how fast the published size encodes frames."""

import json
import os
import statistics
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import typer


def main(
    minutes: Annotated[float, typer.Option(help="Of the stream.")] = 10.0,
    questions: Annotated[int, typer.Option(help="Moments at which answers are compared.")] = 20,
    megabytes: Annotated[
        float, typer.Option(help="Growth from the first minute to the last that is too much.")
    ] = 16.0,
    published_frames: Annotated[
        int, typer.Option(help="Frames that a random model of 0.5B encodes; 0 leaves it out.")
    ] = 20,
    out: Annotated[Path | None, typer.Option(help="Where the figures go, as JSON.")] = None,
) -> None:
    """Memory must stay where it is, each frame be encoded once, and answers be those of the offline path."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    import transformers_mvgpt  # noqa: F401  registers the models
    from transformers_mvgpt.demo import CHECKPOINT

    from .soak import soak

    model = AutoModelForImageTextToText.from_pretrained(CHECKPOINT).eval()
    result = soak(model, AutoProcessor.from_pretrained(CHECKPOINT), minutes=minutes, num_questions=questions)
    figures: dict[str, Any] = {"num_threads": torch.get_num_threads(), "small": result.as_json()}
    if published_frames:
        figures["0.5b"] = measure_published_size(published_frames)
    growth = result.rss_megabytes[-1] - result.rss_megabytes[0]
    problems = [
        text
        for text, is_problem in (
            (f"memory has grown by {growth:.1f} MB", growth > megabytes),
            (f"{result.num_encoded} passes of {result.num_frames} frames", result.num_encoded != result.num_frames),
            (
                "answers differ from those of the offline path",
                any(asked.live != asked.offline for asked in result.comparisons),
            ),
        )
        if is_problem
    ]
    text = json.dumps(figures, indent=1)
    typer.echo(text)
    if out is not None:
        out.write_text(text + "\n")
    for problem in problems:
        typer.echo(problem, err=True)
    raise typer.Exit(1 if problems else 0)


def measure_published_size(num_frames: int) -> dict[str, float]:
    """Median seconds for a frame of 640x480, and for encoding the window for a question, of Mobile-VideoGPT 0.5B in float32."""
    from transformers_mvgpt import LiveVideo
    from transformers_mvgpt.evaluation.random_models import make_processor, make_random_model

    from .soak import drawn_stream

    # the small model needs one, and this one all
    torch.set_num_threads(os.cpu_count() or 1)
    model = make_random_model("0.5b", torch.device("cpu"), torch.float32)
    live = LiveVideo(model, make_processor(model.config))
    seconds_per_frame = []
    for picture, seconds, _ in drawn_stream(30, 4, 480):
        began = time.perf_counter()
        live.add_frame(picture, seconds)
        seconds_per_frame.append(time.perf_counter() - began)
        if len(seconds_per_frame) == num_frames:
            break
    live.snapshot()
    began = time.perf_counter()
    live.snapshot()
    per_frame = statistics.median(seconds_per_frame[2:])
    return {
        "seconds_per_frame": round(per_frame, 3),
        "frames_per_second": round(1 / per_frame, 2),
        "seconds_per_snapshot": round(time.perf_counter() - began, 3),
        "window_megabytes": round(live.num_bytes / 1e6, 1),
    }


if __name__ == "__main__":
    typer.run(main)
