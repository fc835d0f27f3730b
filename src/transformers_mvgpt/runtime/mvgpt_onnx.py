# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Asks an exported model about a video. Beside the exported files, this file and those that it imports need no installation:

    pip install onnxruntime numpy av tokenizers jinja2
    python FOLDER/mvgpt_onnx.py clip.mp4 "What is happening?"

In Python, with the folder on `sys.path`: `from mvgpt_onnx import OnnxVideoChat`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import chain


def _model_folder() -> str:
    """The folder of this file; where it was reached by a link, the first on the way to it that has a model."""
    path = os.path.abspath(__file__)
    # in the Hub's cache, all files of a folder are links to where they have no names
    while os.path.islink(path) and not os.path.isfile(os.path.join(os.path.dirname(path), "config.json")):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return os.path.dirname(path)


if __name__ == "__main__":
    # Python has put the folder there in which the last link ends
    sys.path.insert(0, _model_folder())


def _is_interruption(error: BaseException | None) -> bool:
    """Whether it was interrupted, also where a library raised another error in its place."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or _is_interruption(error.__context__))


try:
    from ..processing.answer_tags_tinyllava import answer_of
    from ..video.error_text import describe_error, limits_as_option
    from ..video.limit_values import parse_limits
    from ..video.limits import UntrustedInput
    from .onnx_folder import PRECISIONS
    from .onnx_video_chat import OnnxVideoChat
    from .onnx_visuals import EncodedVideo
except (ImportError, KeyboardInterrupt) as error:
    if __name__ != "__main__":
        raise
    # the command has no traceback
    sys.exit(130 if _is_interruption(error) else f"Error: {error}")


def main(arguments: Sequence[str] | None = None, folder: str | os.PathLike | None = None) -> int:
    """
    Runs the command.

    Args:
        arguments (`Sequence[str]`, *optional*): those of the process where they are not given.
        folder (`str` or `os.PathLike`, *optional*): the exported model; the folder of this file where it is not given.

    Returns:
        `int`: its exit code. Wrong usage ends the process with 2.
    """
    options = _parser().parse_args(arguments)
    try:
        _answer(options, _model_folder() if folder is None else folder)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sys.stderr.write(f"Error: {describe_error(error, limits_as_option)}\n")
        return 1
    return 0


def _answer(options: argparse.Namespace, folder: str | os.PathLike) -> None:
    chat = OnnxVideoChat(
        folder,
        precision=options.precision,
        providers=options.provider,
        num_threads=options.threads,
        language_model=options.language_model,
        untrusted_input=parse_limits(options.limit),
    )
    if options.show_frames:
        chat.check_selects_frames("`--show-frames`")
    video, segment = options.video, {"start_seconds": options.start, "end_seconds": options.end}
    if options.show_frames or len(options.question) > 1:
        # all about what was there once: an address is not fetched for each
        video, segment = chat.encode(video, **segment), {}
    for question in options.question:
        pieces = chat.stream(
            video,
            question,
            images=options.image,
            **segment,
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            top_p=options.top_p,
            seed=options.seed,
        )
        for piece in chain(pieces, ["\n"]):
            sys.stdout.write(piece)
            sys.stdout.flush()
    if options.show_frames:
        for frame in video.describe_frames():
            seconds = "" if frame["seconds"] is None else f"  {frame['seconds']:9.2f} s"
            sys.stderr.write(f"frame {frame['index']:6d}{seconds}  score {frame['score']:.1f}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Answers questions about a video or image with the exported model in this folder."
    )
    parser.add_argument(
        "video",
        metavar="VIDEO",
        help="path or address of a video, or a folder of frames; of an image, with a model that takes images alone",
    )
    parser.add_argument("question", metavar="QUESTION", nargs="+", help="what to ask about it")
    parser.add_argument(
        "--precision", choices=list(PRECISIONS), help="of the language model; by default the first there is"
    )
    parser.add_argument(
        "--provider",
        help="what computes: cpu, cuda, coreml, directml, nnapi, openvino or another one of onnxruntime's; by default cpu",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="on the CPU; by default as many as it has cores")
    parser.add_argument("--start", type=float, metavar="SECONDS", help="start of the segment to look at")
    parser.add_argument("--end", type=float, metavar="SECONDS", help="end of the segment to look at")
    parser.add_argument(
        "--image", action="append", help="path or address of an image to show before it; may be repeated"
    )
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="longest answer, in tokens")
    parser.add_argument("--temperature", type=float, help="draw tokens, at this temperature")
    parser.add_argument(
        "--top-p", type=float, help="draw among the likeliest tokens, that together have this probability"
    )
    parser.add_argument("--seed", type=int, help="of what is drawn")
    parser.add_argument(
        "--show-frames", action="store_true", help="also list, on stderr, the frames that the video encoder saw"
    )
    parser.add_argument(
        "--language-model",
        metavar="FILE.gguf",
        help="GGUF file that llama.cpp computes instead of the exported decoder",
    )
    parser.add_argument(
        "--limit",
        action="append",
        metavar="NAME=VALUE",
        help="sets a limit on files and addresses, as in max_download_bytes=2000000000; may be repeated",
    )
    return parser


__all__ = ["EncodedVideo", "OnnxVideoChat", "UntrustedInput", "answer_of", "main"]


if __name__ == "__main__":
    sys.exit(main())
