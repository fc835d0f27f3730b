# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt bench`: how long each part of an answer takes."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer


def bench(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Folder, repository, or 0.5b or 1.5b: the published sizes, random weights."
        ),
    ] = "0.5b",
    video: Annotated[Path | None, typer.Option(help="Video file; by default the package's clip.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps, ...; a GPU where there is one.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    quantization: Annotated[
        str | None, typer.Option(help="int8 or int4: of the language model's weights, with torchao.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Of each part; the median counts.")] = 5,
    tokens: Annotated[int, typer.Option(min=2, help="New tokens of the answer whose decode steps are measured.")] = 16,
    batch_sizes: Annotated[
        str | None,
        typer.Option(help="Also ask about so many videos at once, such as 1,8,32; on a GPU with CUDA graphs."),
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help="Other models at their published sizes: llava-onevision-0.5b,smolvlm2-500m")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures; the picture goes beside it.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of --out.")] = False,
) -> None:
    """Measure the parts of an answer, beside their roofline, and other models on the same frames."""
    import torch
    from tqdm import tqdm
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from .. import demo
    from ..conversion.written_files import check_new_file, write_file
    from ..evaluation.baselines import check_baselines, measure_baseline
    from ..evaluation.machine import describe_machine
    from ..evaluation.quantization import check_quantization, quantize_language_model
    from ..evaluation.random_models import PUBLISHED_SIZES, make_random_model
    from ..evaluation.speed import first_token_call, measure_speed
    from ..evaluation.speed_report import draw_speed, speed_table
    from ..families import family_of
    from ..video.video_decoding import decode_video

    baselines = compare.split(",") if compare else []
    check_baselines(baselines)
    if not re.fullmatch(r"([1-9]\d*(,[1-9]\d*)*)?", batch_sizes or ""):
        raise ValueError(f"`--batch-sizes` ({batch_sizes}) must be positive numbers with commas between them: 1,8,32")
    numbers = [int(number) for number in batch_sizes.split(",")] if batch_sizes else None
    if (precision := getattr(torch, dtype, None)) not in (torch.float32, torch.bfloat16, torch.float16):
        raise ValueError(f"`--dtype` ({dtype}) must be float32, bfloat16 or float16.")
    if quantization is not None:
        check_quantization(quantization)
    if out is not None:
        for file in (out, out.with_suffix(".png")):
            check_new_file(file, overwrite)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if model in PUBLISHED_SIZES:
        network = make_random_model(model, place, precision)
        # no token of text matters for the time; theirs could not be had without a download
        tokenizer = AutoProcessor.from_pretrained(demo.CHECKPOINT).tokenizer
        processor = family_of(network.config).processor_class.from_config(network.config, tokenizer)
        network.config.image_token_id = processor.image_token_id
        network.config.video_token_id = processor.video_token_id
    else:
        network = AutoModelForImageTextToText.from_pretrained(model, dtype=precision).to(place).eval()
        processor = AutoProcessor.from_pretrained(model)
    num_parameters = network.num_parameters()
    if quantization is not None:
        quantize_language_model(network, quantization)

    path = str(video or demo.CLIP)
    with tqdm(desc="Parts", bar_format="{desc}: {postfix} {elapsed}") as bar:

        def show(part: str) -> None:
            bar.set_postfix_str(part)

        result = measure_speed(
            network, processor, path, runs=runs, num_new_tokens=tokens, batch_sizes=numbers, on_part=show
        )
        result |= {"model": model, "num_parameters": num_parameters, "quantization": quantization}
        result |= {"runs": runs, "baselines": {}}
        result["machine"] = describe_machine(place, precision)
        frames, _ = decode_video(path, processor.video_processor.sample_frames)
        text_length, ours = 30, first_token_call(network, processor, path)
        for name in baselines:
            show(name)
            result["baselines"][name] = measure_baseline(name, frames, text_length, place, precision, ours, runs)
    typer.echo(speed_table(result), nl=False)
    if out is not None:
        write_file(out, json.dumps(result, indent=2) + "\n")
        draw_speed(result, out.with_suffix(".png"))
