# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Many videos: decoded in worker processes, in bounded memory, with the same answers."""

import os
import threading

import pytest

from chats import WHAT
from transformers_mvgpt.processing.pipeline_workers import PreprocessingThreads


@pytest.fixture
def decoders(pipe, monkeypatch, tmp_path):
    """The processes that decoded, by what each of them wrote down."""
    preprocess = pipe.preprocess

    def recording(*args, **kwargs):
        (tmp_path / str(os.getpid())).touch()
        return preprocess(*args, **kwargs)

    monkeypatch.setattr(pipe, "preprocess", recording)
    return lambda: {int(path.name) for path in tmp_path.iterdir()}


@pytest.mark.parametrize("as_stream", [False, True], ids=["list", "generator"])
def test_workers_decode_and_the_answers_are_the_same(pipe, video, short_video, answers, decoders, as_stream):
    videos = [video, short_video, short_video, video, video]
    stream = (path for path in videos) if as_stream else videos
    results = list(pipe(stream, text=WHAT, batch_size=2, num_workers=2))
    assert results == [[{"generated_text": answers[path, WHAT]}] for path in videos]
    assert len(decoders()) == 2
    assert os.getpid() not in decoders()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_generators_are_read_as_answers_are_taken(pipe, short_video, num_workers):
    num_read = 0

    def videos():
        nonlocal num_read
        for _ in range(12):
            num_read += 1
            yield short_video

    results = iter(pipe(videos(), text=WHAT, batch_size=2, num_workers=num_workers, max_new_tokens=1))
    for num_answered in range(1, 5):
        next(results)
        assert num_read <= num_answered + 2 * (2 * num_workers + 1)
    assert num_read < 12


@pytest.mark.parametrize("as_stream", [False, True], ids=["list", "generator"])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_damaged_video_is_named(pipe, video, tmp_path, num_workers, as_stream):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no video")
    videos = [video, str(damaged), video]
    stream = (path for path in videos) if as_stream else videos
    with pytest.raises(ValueError, match=f"The video '{damaged}' could not be read"):
        list(pipe(stream, text=WHAT, num_workers=num_workers))


@pytest.mark.parametrize("as_stream", [False, True], ids=["list", "generator"])
@pytest.mark.parametrize("nested", [False, True])
def test_workers_on_a_gpu_are_threads(pipe, video, short_video, answers, monkeypatch, as_stream, nested):
    preprocess, used = pipe.preprocess, []

    def on_cpu(inputs, device=None, videos_kwargs=None, **options):
        used.append((os.getpid(), threading.current_thread().name, device or videos_kwargs["device"]))
        return preprocess(inputs, **options)

    monkeypatch.setattr(pipe, "preprocess", on_cpu)
    option = {"videos_kwargs": {"device": "cuda"}} if nested else {"device": "cuda"}
    videos = [video, short_video, video]
    stream = (path for path in videos) if as_stream else videos
    results = list(pipe(stream, text=WHAT, batch_size=2, num_workers=2, processor_kwargs=option))
    assert results == [[{"generated_text": answers[path, WHAT]}] for path in videos]
    processes, threads, devices = zip(*used, strict=True)
    assert set(processes) == {os.getpid()} and set(devices) == {"cuda"}
    assert all(name.startswith("preprocess") for name in threads)


def test_threads_are_not_far_ahead_and_end_with_the_answers():
    num_read = 0

    def samples():
        nonlocal num_read
        for number in range(40):
            num_read += 1
            yield number

    loader = PreprocessingThreads(samples(), lambda sample, plus: sample + plus, {"plus": 100}, 2, 3, tuple)
    batches = iter(loader)
    assert [next(batches), next(batches)] == [(100, 101, 102), (103, 104, 105)]
    assert num_read == 3 * (2 * 2 + 2)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("preprocess")]
    assert list(PreprocessingThreads(range(4), lambda sample: sample, {}, 1, 3, list)) == [[0, 1, 2], [3]]


def test_an_error_in_a_thread_is_raised():
    def fail(sample):
        raise ValueError(f"sample {sample} is bad")

    with pytest.raises(ValueError, match="sample 7 is bad"):
        list(PreprocessingThreads([7, 8], fail, {}, 1, 1, list))
