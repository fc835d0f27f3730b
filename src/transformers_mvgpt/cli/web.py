# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt web`: a model on a web page, of this machine's or in the visitor's browser."""

import os
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from .extras import require
from .limits import LimitOption, parse_limits
from .model_options import DeviceOption, DtypeOption, QuantizationOption
from .progress import step


_STATIC_ONLY = ("precision", "vendored", "overwrite")
_BOTH = ("static", "model")


def web(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="Folder, or repository on the Hugging Face Hub; by default the package's small one. With --static, a folder that "
            "`mvgpt export-onnx` wrote, or a model to export.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine, with an API key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = 7860,
    open_browser: Annotated[bool, typer.Option("--open", help="Also open the page in a browser.")] = False,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="MVGPT_API_KEY",
            show_envvar=False,
            help="What visitors must enter, and clients of the API send. In the environment, as MVGPT_API_KEY, it is not in the list of "
            "processes.",
        ),
    ] = None,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Size of a video or image, in megabytes.")] = 100,
    max_video_seconds: Annotated[float, typer.Option(min=1, help="Length of a video.")] = 1800,
    limit: LimitOption = None,
    max_waiting: Annotated[
        int,
        typer.Option(
            min=0, help="Questions that may wait beside the one that is answered; others are asked to come again."
        ),
    ] = 32,
    cache_videos: Annotated[
        int, typer.Option(min=0, help="Encoded videos and images that are kept for further questions.")
    ] = 32,
    cache_bytes: Annotated[int, typer.Option(min=0, help="Memory that these take at most, on the model's device.")] = 2
    * 1024**3,
    device: DeviceOption = None,
    dtype: DtypeOption = "auto",
    quantization: QuantizationOption = None,
    static: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Instead of a server, write a page to this folder that any web server can serve as it is: the model runs in the "
            "visitor's browser.",
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="With --static: fp32, fp16, int8 or q4.")] = "fp32",
    vendored: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --static: where the JavaScript packages are that the page runs on; by default they are fetched with npm once and "
            "cached.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --static: replace a page that this command has written before.")
    ] = False,
) -> None:
    """Serve a web page on which a model answers questions about videos. It ends with Ctrl+C or SIGTERM."""
    from .main import with_models

    _check_options(context, is_static=static is not None)
    if static is not None:
        with_models(_write)(static, model, precision, vendored, overwrite)
        return
    limits = parse_limits(limit)
    server = {
        "api_key": api_key,
        "limits": limits,
        "max_waiting": max_waiting,
        "max_cached_visuals": cache_videos,
        "max_cached_bytes": cache_bytes,
    }
    loading = {"device": device, "dtype": dtype, "quantization": quantization}
    with_models(_serve)(model, host, port, open_browser, max_upload_mb, max_video_seconds, server, loading)


def _check_options(context: typer.Context, *, is_static: bool) -> None:
    """Options without effect are refused."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name in _BOTH or source is None or source.name != "COMMANDLINE" or (name in _STATIC_ONLY) == is_static:
            continue
        option = "--open" if name == "open_browser" else f"--{name.replace('_', '-')}"
        why = "is of a server, and --static writes a page without one" if is_static else "is for --static FOLDER"
        raise typer.BadParameter(f"it {why}: leave it out.", param_hint=f"'{option}'")


def _write(folder: Path, model: str | None, precision: str, vendored: Path | None, overwrite: bool) -> None:
    from ..runtime.web_page import write_web_page

    with step(f"Writing {folder}"):
        write_web_page(folder, model=model, precision=precision, vendored=vendored, overwrite=overwrite)
    typer.echo(f"Wrote {folder}. To look at it: python -m http.server --bind 127.0.0.1 -d {folder} 8000")


def _serve(
    model: str | None,
    host: str,
    port: int,
    open_browser: bool,
    max_upload_mb: int,
    max_video_seconds: float,
    server: dict[str, Any],
    loading: dict[str, Any],
) -> None:
    # before Gradio is imported, which would ask a server of its makers for its newest version
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    require("`mvgpt web`", "web", "gradio", "fastapi", "uvicorn", "prometheus_client", "matplotlib")
    with step("Loading Gradio"):
        from ..evaluation.pipeline_loading import load_pipeline
        from ..server.other_sites import LOOPBACK
        from ..server.running import run_app
        from ..server.settings import ServerSettings
        from ..server.web_app import create_web_app
        from ..server.web_uploads import MIB, UploadFolder
    from .default_model import model_or_default
    from .model_checks import check_device, check_model

    is_small, model = model is None, model_or_default(model)
    name = "the package's small model" if is_small else Path(model).name or model
    # all that can be wrong before a large model is loaded in vain
    settings = ServerSettings(served_model_name=name, is_local=host in LOOPBACK, **server)
    check_model(model)
    check_device(loading["device"])
    if settings.api_key is None and not settings.is_local:
        typer.echo(
            f"Warning: --host {host} lets others reach this page, and there is no API key: anyone there can use it. Set MVGPT_API_KEY.",
            err=True,
        )
    with step("Loading the model"):
        pipe = load_pipeline(model, **loading)
    with UploadFolder(max_upload_mb * MIB) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = str(uploads.path)
        with step("Drawing the page"):
            app = create_web_app(
                pipe.model,
                pipe.processor,
                settings,
                uploads,
                max_video_seconds=max_video_seconds,
                note=_NOTE if is_small else "",
                # it has learned single questions, and loses the thread in a conversation
                remembers=not is_small,
            )

        def say_where(address: str) -> None:
            typer.echo(f"The page is at {address}. Ctrl+C ends it.")
            if open_browser:
                webbrowser.open(address)

        run_app(app, host, port, on_start=say_where, on_stop=app.state.end_page, log_level="warning")


_NOTE = (
    "It knows drawn clips of colored shapes, like the examples, and nothing else. For other videos, start the page with "
    "<code>mvgpt web --model Amshaker/Mobile-VideoGPT-0.5B</code>."
)
