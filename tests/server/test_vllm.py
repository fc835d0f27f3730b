# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
vLLM's OpenAI server with the small models of all families, as native folders and as exported repositories. `make test-vllm` runs it: vLLM
has an environment of its own, whose Python `VLLM_PYTHON` names. `docs/serving.md` shows its commands.
"""

import base64
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

import tiny_trained
from transformers_mvgpt.conversion import export_hub
from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip
from transformers_mvgpt.evaluation import is_same_answer
from transformers_mvgpt.video.video_decoding import decode_video


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("VLLM_PYTHON" not in os.environ, reason="needs vLLM: `make test-vllm`"),
]

MAX_NEW_TOKENS = 64
# Frames that vLLM reads of a video unless told otherwise.
LOADED_FRAMES = 32
# All frames are read, and the processor samples as it does with a file.
ALL_FRAMES = ["--media-io-kwargs", '{"video": {"num_frames": -1}}']


@dataclass(frozen=True)
class Asked:
    """A question about a file, and what `generate` says."""

    visual: Path
    question: str
    truth: str
    generated: str


@dataclass(frozen=True)
class Small:
    """A small model, and what to ask it: at least 20 questions."""

    checkpoint: Path
    kind: str
    num_right: int
    ask_for: Callable[[Path], list[tuple[Path, str, str]]]


def clips(
    folder: Path, seeds: range, types: tuple[str, ...] | None = None, **options: Any
) -> list[tuple[Path, str, str]]:
    rows = []
    for seed in seeds:
        clip, path = make_clip(seed, "test", **options), folder / f"{seed}.mp4"
        write_clip(clip, path)
        rows += [(path, item.text, item.answer) for item in clip.questions if types is None or item.type in types]
    return rows


def pictures(folder: Path) -> list[tuple[Path, str, str]]:
    rows = []
    for seed in range(900_000, 900_006):
        path = folder / f"{seed}.png"
        tiny_trained.picture(seed).save(path)
        rows += [(path, item.text, item.answer) for item in tiny_trained.picture_questions(seed)]
    return rows


SMALL = {
    "Mobile-VideoGPT": Small(CHECKPOINT, "video", 20, lambda folder: clips(folder, range(900_000, 900_003))),
    "TinyLLaVA-Video": Small(
        tiny_trained.TINYLLAVA,
        "video",
        10,
        lambda folder: clips(folder, range(900_111, 900_123), tiny_trained.CLIP_TYPES, width=128, height=128),
    ),
    "MobileVLM": Small(tiny_trained.MOBILEVLM, "image", 20, pictures),
}


@contextlib.contextmanager
def run_vllm(
    model: Path, *options: str, plugins: str | None = None
) -> Iterator[tuple[openai.OpenAI, Callable[[], str]]]:
    """A client of a server that answers, and what reads its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"} | (
        {} if plugins is None else {"VLLM_PLUGINS": plugins}
    )
    # the command `vllm` of vllm-cpu 0.32 does not start
    command = [os.environ["VLLM_PYTHON"], "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), *options]
    command += ["--host", "127.0.0.1", "--port", port, "--served-model-name", "small", "--dtype", "float32"]
    command += ["--max-model-len", "1024", "--max-num-seqs", "4", "--enforce-eager"]
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile("w+") as log:

        def read_log() -> str:
            log.seek(0)
            return log.read()

        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=empty, start_new_session=True
        )
        try:
            end = time.monotonic() + 600
            while True:
                assert process.poll() is None and time.monotonic() < end, read_log()[-10_000:]
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                        break
                time.sleep(0.5)
            yield (
                openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=300),
                read_log,
            )
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def part_of(data: bytes, kind: str) -> dict[str, Any]:
    address = f"data:{'video/mp4' if kind == 'video' else 'image/png'};base64,{base64.b64encode(data).decode()}"
    return {"type": f"{kind}_url", f"{kind}_url": {"url": address}}


def ask(client: openai.OpenAI, data: bytes, kind: str, question: str) -> str:
    content = [part_of(data, kind), {"type": "text", "text": question}]
    completion = client.chat.completions.create(
        model="small", messages=[{"role": "user", "content": content}], temperature=0, max_tokens=MAX_NEW_TOKENS
    )
    # without the blank that some chat templates write in front of an answer
    return completion.choices[0].message.content.removeprefix(" ")


def as_vllm_loads(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The frames that vLLM hands to the processor, and what it says of them."""
    frames, metadata = decode_video(path)
    indices = np.linspace(0, len(frames) - 1, min(LOADED_FRAMES, len(frames)), dtype=int)
    known = {"total_num_frames": len(frames), "fps": metadata.fps, "frames_indices": indices.tolist()}
    return frames[indices].permute(0, 2, 3, 1).numpy(), known


@pytest.fixture(scope="module", params=SMALL)
def small(request):
    return SMALL[request.param]


def generate(small: Small, rows: list[tuple[Path, str, str]], reads_all: bool) -> list[Asked]:
    processor = AutoProcessor.from_pretrained(small.checkpoint)
    model = AutoModelForImageTextToText.from_pretrained(small.checkpoint).eval()
    asked = []
    for path, question, truth in rows:
        visual, options = {"type": small.kind, "path": str(path)}, {}
        if small.kind == "video" and not reads_all:
            frames, known = as_vllm_loads(path)
            visual = {"type": "video", "video": frames}
            options = {"processor_kwargs": {"video_metadata": [known], "do_sample_frames": False}}
        chat = [{"role": "user", "content": [visual, {"type": "text", "text": question}]}]
        inputs = processor.apply_chat_template(
            chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt", **options
        )
        with torch.no_grad():
            ids = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        new_ids = ids[:, inputs["input_ids"].shape[1] :]
        [generated] = processor.decode_answers(new_ids, skip_special_tokens=True)
        asked.append(Asked(path, question, truth, generated))
    return asked


@pytest.mark.parametrize("is_exported", [False, True], ids=["native folder", "exported repository"])
def test_answers_are_those_of_generate(small, is_exported, tmp_path):
    rows = small.ask_for(tmp_path)
    assert len(rows) >= 20
    asked = generate(small, rows, reads_all=is_exported)
    model, options, plugins = small.checkpoint, [], None
    if is_exported:
        model, options, plugins = tmp_path / "exported", ["--trust-remote-code", *ALL_FRAMES], ""
        export_hub(small.checkpoint, model)
    with run_vllm(model, *options, plugins=plugins) as (client, read_log), ThreadPoolExecutor(4) as threads:
        answers = list(
            threads.map(lambda item: ask(client, item.visual.read_bytes(), small.kind, item.question), asked)
        )
        assert answers == [item.generated for item in asked]
        num_right = sum(is_same_answer(answer, item.truth) for answer, item in zip(answers, asked, strict=True))
        assert num_right >= small.num_right
        check_bad_requests(client, small.kind, asked)
        log = read_log()
    assert "Detected the chat template content format to be 'openai'" in log
    if small.checkpoint == CHECKPOINT and not is_exported:
        assert log.count(f"at most 16 frames of a video: 16 of {LOADED_FRAMES} are used") == 1


def check_bad_requests(client: openai.OpenAI, kind: str, asked: list[Asked]) -> None:
    """A good request beside each bad one is answered, and so is one after all of them."""
    [good, *_] = asked
    data = good.visual.read_bytes()

    def ask_well() -> str:
        return ask(client, data, kind, good.question)

    bad = {
        "damaged": (data[: len(data) // 3], good.question, "open video stream" if kind == "video" else "image"),
        "empty": (b"", good.question, "open video stream" if kind == "video" else "image"),
        "too long": (data, "What? " * 1000, "maximum context length is 1024 tokens"),
    }
    with ThreadPoolExecutor(2) as threads:
        for name, (visual, question, message) in bad.items():
            beside = threads.submit(ask_well)
            with pytest.raises(openai.BadRequestError, match=message):
                ask(client, visual, kind, question)
            assert beside.result() == good.generated, name
        for placeholder in ("<|video_pad|>", "<|image_pad|>", "<image>"):
            beside = threads.submit(ask_well)
            # an answer to nonsense, or an error of this request
            with contextlib.suppress(openai.BadRequestError):
                ask(client, data, kind, f"What {placeholder} is it?")
            assert beside.result() == good.generated, placeholder
    assert ask_well() == good.generated
