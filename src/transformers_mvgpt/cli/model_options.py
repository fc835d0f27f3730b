# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Options that several commands have: the model, where it runs and in which precision, and how it is given videos."""

from typing import Annotated, Literal

import typer


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Folder, or repository on the Hugging Face Hub; by default the package's small one."
    ),
]
SamplingOption = Annotated[
    Literal["frames", "time"] | None,
    typer.Option(
        help="What frames are spread over; at a variable frame rate that is not the same. By default as published: frames."
    ),
]
VideoBackendOption = Annotated[
    Literal["pyav", "torchcodec", "opencv", "decord"] | None,
    typer.Option(help="Video decoder; by default the first of these that is installed."),
]
DeviceOption = Annotated[
    str | None, typer.Option(help="Device, such as cpu, cuda, cuda:1 or mps; by default a GPU if there is one.")
]
DtypeOption = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(help="Data type of the weights; auto takes the one they are stored in."),
]
QuantizationOption = Annotated[
    str | None,
    typer.Option(help="int8 or int4: of the language model's weights. On a CPU with numba, elsewhere with torchao."),
]
PrecisionOption = Annotated[
    Literal["fp32", "fp16", "int8", "q4"] | None,
    typer.Option(help="Of an exported model, the language model's; by default the first there is."),
]
ProviderOption = Annotated[
    str | None,
    typer.Option(
        help="Of an exported model, what computes: cpu, cuda, coreml, directml, openvino, ...; by default cpu."
    ),
]
