# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt serve`: an OpenAI-compatible server for one model."""

from pathlib import Path
from typing import Annotated

import typer

from .extras import require
from .limits import LimitOption, parse_limits
from .model_checks import check_device, check_model
from .model_options import DeviceOption, DtypeOption, QuantizationOption
from .progress import step


def serve(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, or repository on the Hugging Face Hub.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine, with an API key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="MVGPT_API_KEY",
            show_envvar=False,
            help="What clients must send as their key. In the environment, as MVGPT_API_KEY, it is not in the list of processes.",
        ),
    ] = None,
    served_model_name: Annotated[
        str | None, typer.Option(help="What requests call the model; by default the last part of MODEL.")
    ] = None,
    allow_media: Annotated[
        list[Path] | None,
        typer.Option(
            "--allow-media",
            metavar="FOLDER",
            help="Folder below which file: addresses are read; may be repeated. Without it, none is.",
        ),
    ] = None,
    limit: LimitOption = None,
    cache_videos: Annotated[
        int, typer.Option(min=0, help="Encoded videos and images that are kept for further questions.")
    ] = 32,
    cache_bytes: Annotated[int, typer.Option(min=0, help="Memory that these take at most, on the model's device.")] = 2
    * 1024**3,
    max_waiting: Annotated[
        int, typer.Option(min=0, help="Requests that may wait beside the one that is answered; others get 429.")
    ] = 32,
    max_request_bytes: Annotated[int, typer.Option(min=1024, help="Size of a request, data: addresses included.")] = 64
    * 1024**2,
    request_seconds: Annotated[
        float, typer.Option(min=1, help="How long a request may take as a whole, its wait included.")
    ] = 300,
    device: DeviceOption = None,
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
) -> None:
    """Serve a model over HTTP, as OpenAI's clients ask. It ends with Ctrl+C or SIGTERM."""
    limits = parse_limits(limit)
    require("`mvgpt serve`", "serve", "fastapi", "uvicorn", "prometheus_client")
    from ..evaluation.pipeline_loading import load_pipeline
    from ..server.app import create_app
    from ..server.other_sites import LOOPBACK
    from ..server.running import run_app
    from ..server.settings import ServerSettings

    # all that can be wrong before a large model is loaded in vain
    settings = ServerSettings(
        served_model_name=served_model_name or Path(model).name or model,
        api_key=api_key,
        is_local=host in LOOPBACK,
        media_folders=tuple(allow_media or ()),
        limits=limits,
        max_cached_visuals=cache_videos,
        max_cached_bytes=cache_bytes,
        max_waiting=max_waiting,
        max_request_bytes=max_request_bytes,
        request_seconds=request_seconds,
    )
    check_model(model)
    check_device(device)
    if api_key is None and not settings.is_local:
        typer.echo(
            f"Warning: --host {host} lets others reach this server, and there is no API key: anyone there can use it. "
            "Set MVGPT_API_KEY.",
            err=True,
        )
    with step(f"Loading {model}"):
        pipe = load_pipeline(model, quantization=quantization, device=device, dtype=dtype)
    app = create_app(pipe.model, pipe.processor, settings)
    run_app(app, host, port)
