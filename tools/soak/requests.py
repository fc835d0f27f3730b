# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The requests of a soak run: what users send, bad input included."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from transformers_mvgpt import VideoChat, VideoTextToTextPipeline
from transformers_mvgpt.demo import CLIP, make_clip, write_clip
from transformers_mvgpt.video.video_decoding import available_video_backends


_QUESTION = "Which shape moves?"


def make_requests(pipe: VideoTextToTextPipeline, folder: Path) -> dict[str, Callable[[], Any]]:
    """
    Each returns an answer that is always the same, or raises a `ValueError` or an `OSError`.

    Args:
        pipe ([`VideoTextToTextPipeline`]): answers.
        folder (`Path`): for files.
    """
    clip = folder / "clip.mp4"
    write_clip(make_clip(seed=3, split="test"), str(clip))
    content = CLIP.read_bytes()
    damaged = folder / "damaged.mp4"
    damaged.write_bytes(content[: len(content) // 2])
    picture = Image.new("RGB", (96, 64), "red")
    frames = folder / "frames"
    frames.mkdir()
    for number in range(6):
        picture.save(frames / f"{number}.png")
    picture.save(folder / "moving.gif", save_all=True, append_images=[picture.rotate(90), picture.rotate(10)])
    chat = VideoChat(pipe.model, pipe.processor, str(CLIP))
    question = [{"type": "video", "video": str(clip)}, {"type": "text", "text": _QUESTION}]

    requests: dict[str, Callable[[], Any]] = {
        "file": lambda: pipe(str(clip), text=_QUESTION),
        "bytes": lambda: pipe(content, text=_QUESTION),
        "segment": lambda: pipe(str(CLIP), text=_QUESTION, start_seconds=1, end_seconds=2.5),
        "frames seen": lambda: pipe(str(CLIP), text=_QUESTION, return_selected_frames=True),
        "batch": lambda: pipe([str(CLIP), str(clip)], text=_QUESTION, batch_size=2),
        "messages": lambda: pipe([{"role": "user", "content": question}]),
        "sampling": lambda: len(pipe(str(clip), text=_QUESTION, do_sample=True, max_new_tokens=3)),
        "generator left": lambda: next(iter(pipe((str(clip) for _ in range(4)), text=_QUESTION))),
        "image": lambda: pipe(text=_QUESTION, images=picture, max_new_tokens=4),
        "folder": lambda: pipe(str(frames), text=_QUESTION),
        "gif": lambda: pipe(str(folder / "moving.gif"), text=_QUESTION),
        "question in a chat": lambda: chat.ask(_QUESTION),
        "new chat": lambda: VideoChat(pipe.model, pipe.processor, str(clip)).ask(_QUESTION),
        "damaged": lambda: pipe(str(damaged), text=_QUESTION),
        "missing": lambda: pipe(str(folder / "none.mp4"), text=_QUESTION),
        "no video": lambda: pipe(b"no video at all", text=_QUESTION),
        "beyond the end": lambda: pipe(str(clip), text=_QUESTION, start_seconds=1e6),
        "unknown option": lambda: pipe(str(clip), text=_QUESTION, colour="red"),
    }
    for backend in available_video_backends():
        requests[backend] = lambda backend=backend: pipe(str(CLIP), text=_QUESTION, video_backend=backend)
    return requests
