# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt bench`: how long each part of an answer takes."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .extras import require
from .model_checks import check_device, check_model
from .model_options import DeviceOption, QuantizationOption
from .progress import step


def bench(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Folder, repository, or a published size with random weights: 0.5b, 1.5b, mobilevlm-1.7b, mobilevlm-v2-1.7b, "
            "mobilevlm-v2-3b, tinyllava-video-3b.",
        ),
    ] = "0.5b",
    video: Annotated[Path | None, typer.Option(help="Video file; by default the package's clip.")] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="Image file, for a model that takes no videos; by default a picture of the clip."),
    ] = None,
    device: DeviceOption = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    quantization: QuantizationOption = None,
    runs: Annotated[int, typer.Option(min=1, help="Of each part; the median counts.")] = 5,
    tokens: Annotated[int, typer.Option(min=2, help="New tokens of the answer whose decode steps are measured.")] = 16,
    batch_sizes: Annotated[
        str | None,
        typer.Option(help="Also ask about so many videos at once, such as 1,8,32."),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            help="Other models at their published sizes, random weights, with commas between them: llava-onevision-0.5b, "
            "smolvlm2-500m, smolvlm2-256m, fastvlm-0.5b, lfm2-vl-450m, qwen3.5-0.8b, internvl3.5-1b."
        ),
    ] = None,
    compare_compiled: Annotated[
        bool, typer.Option("--compare-compiled", help="Also measure them with torch.compile, which takes minutes.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures; the picture goes beside it.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of --out.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the file of --out: measure the other models that it lacks.")
    ] = False,
) -> None:
    """Measure the parts of an answer about a video or an image, beside their roofline, and other models on the same frames."""
    from ..evaluation.choices import check_baselines, check_dtype, check_quantization_name, parse_batch_sizes
    from .main import with_models

    # what is wrong with these is said at once, before torch is loaded
    baselines = compare.split(",") if compare else []
    check_baselines(baselines)
    sizes = parse_batch_sizes(batch_sizes)
    check_dtype(dtype)
    if quantization is not None:
        check_quantization_name(quantization)
    if resume and out is None:
        raise ValueError("`--resume` goes on with a file: name it with `--out`.")
    if out is not None:
        require("The picture of `--out`", "plots", "matplotlib")
    with_models(_run)(
        model,
        {"video": video, "image": image},
        device,
        dtype,
        quantization,
        baselines,
        out,
        overwrite=overwrite,
        resume=resume,
        compiled=compare_compiled,
        runs=runs,
        num_new_tokens=tokens,
        batch_sizes=sizes,
    )


def _run(
    model: str,
    files: dict[str, Path | None],
    device: str | None,
    dtype: str,
    quantization: str | None,
    baselines: list[str],
    out: Path | None,
    *,
    overwrite: bool,
    resume: bool,
    compiled: bool,
    runs: int,
    **options: Any,
) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    from ..conversion.written_files import check_new_file, write_file
    from ..evaluation.baselines import measure_baselines
    from ..evaluation.choices import PUBLISHED_SIZES
    from ..evaluation.machine import describe_machine
    from ..evaluation.quantization import check_quantization, quantize_language_model
    from ..evaluation.random_models import make_processor, make_random_model, published_size
    from ..evaluation.speed import measure_speed
    from ..evaluation.speed_report import draw_speed, read_result, speed_table
    from ..evaluation.visual_file import check_measurable, default_visual

    check_device(device)
    if model not in PUBLISHED_SIZES:
        check_model(model)
    if quantization is not None:
        check_quantization(quantization, device)
    if out is not None:
        for file in (out, out.with_suffix(".png")):
            check_new_file(file, overwrite or resume)
    config = published_size(model) if model in PUBLISHED_SIZES else AutoConfig.from_pretrained(model)
    modality = check_measurable(config, [name for name, file in files.items() if file], baselines)
    place, precision = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")), getattr(torch, dtype)
    known = {"model": model, "quantization": quantization, "runs": runs, "machine": describe_machine(place, precision)}
    kept = read_result(out, known) if resume and out is not None and out.exists() else None
    missing = [name for name in baselines if kept is None or name not in kept["baselines"]]
    if kept is not None and not missing:
        typer.echo(speed_table(kept), nl=False)
        return

    with step(f"Loading {model}"):
        if model in PUBLISHED_SIZES:
            network = make_random_model(model, place, precision)
            processor = make_processor(network.config)
            for name in processor.placeholders:
                setattr(network.config, f"{name}_token_id", getattr(processor, f"{name}_token_id"))
        else:
            network = AutoModelForImageTextToText.from_pretrained(model, dtype=precision).to(place).eval()
            processor = AutoProcessor.from_pretrained(model)
    known["num_parameters"] = network.num_parameters()
    if quantization is not None:
        quantize_language_model(network, quantization)

    given = files[modality]
    path = str(given) if given else default_visual(modality)

    def keep(result: dict[str, Any]) -> None:
        if out is not None:
            write_file(out, json.dumps(result, indent=2) + "\n")

    def show(part: str) -> None:
        change(f"Measuring {part}")

    with step("Measuring") as change:
        if kept is not None and out is not None:
            result = read_result(out, known)
        else:
            result = measure_speed(network, processor, path, runs=runs, on_part=show, **options) | known
            result |= {"baselines": {}, "left_out": {}}
            keep(result)
        for name, found in measure_baselines(
            missing, network, processor, path, runs=runs, compiled=compiled, on_part=show
        ):
            # a run that is interrupted leaves what it has
            result["left_out" if isinstance(found, str) else "baselines"] |= (
                {name: found} if isinstance(found, str) else found
            )
            keep(result)
    typer.echo(speed_table(result), nl=False)
    if out is not None:
        draw_speed(result, out.with_suffix(".png"))
