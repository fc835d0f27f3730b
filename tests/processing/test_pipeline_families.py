# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Pipelines of the families whose models take images alone, or videos alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import pipeline

from chats import PICTURE, PIXELS, WHAT, WHERE, answer, ask, film, generate_ids
from tiny_families import write_mobilevlm, write_tinyllava


OTHER_PICTURE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (40, 30, 3), dtype=np.uint8))
# as many visual tokens as there are others, so that an untrained model says something else of another video
WRITERS = {"mobilevlm": write_mobilevlm, "tinyllava": partial(write_tinyllava, num_queries=256)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {name: str(write(tmp_path_factory.mktemp(name))) for name, write in WRITERS.items()}


@pytest.fixture(scope="module")
def pipes(folders: dict[str, str]) -> dict[str, Any]:
    options = {"device": "cpu", "max_new_tokens": 6}
    return {name: pipeline("video-text-to-text", model=folder, **options) for name, folder in folders.items()}


@pytest.fixture
def pipe(request: pytest.FixtureRequest, pipes: dict[str, Any]) -> Any:
    return pipes[request.param]


images = pytest.mark.parametrize("pipe", ["mobilevlm"], indirect=True)
videos = pytest.mark.parametrize("pipe", ["tinyllava"], indirect=True)
both = pytest.mark.parametrize("pipe", WRITERS, indirect=True)


@pytest.fixture(scope="session")
def video(clip: Callable[[str], Path]) -> str:
    """40 frames, 10 of them per second."""
    return str(clip("h264.mp4"))


def picture(image: Any) -> dict[str, Any]:
    return {"type": "image", "image": image}


def expected_ids(pipe: Any, messages: list[dict[str, Any]], **options: Any) -> list[int]:
    """Of processor and model without the pipeline: text would hide which bytes an untrained model says."""
    return generate_ids(pipe, messages, **options)[0].tolist()


def new_ids(result: list[dict[str, Any]]) -> list[int]:
    [record] = result
    return record["generated_token_ids"][-6:].tolist()


@both
def test_images(pipe):
    expected = expected_ids(pipe, ask(WHAT, picture(PICTURE)))
    assert new_ids(pipe(images=PICTURE, text=WHAT, return_tensors=True)) == expected
    assert expected != expected_ids(pipe, ask(WHAT, picture(OTHER_PICTURE)))  # it depends on the image
    two = expected_ids(pipe, ask(WHAT, picture(PICTURE), picture(OTHER_PICTURE)))
    assert new_ids(pipe({"images": [PICTURE, OTHER_PICTURE], "text": WHAT}, return_tensors=True)) == two
    assert pipe(images=PICTURE, text=WHAT) == [{"generated_text": answer(pipe, ask(WHAT, picture(PICTURE)))}]


@both
def test_batch_of_different_lengths(pipe):
    asked = [
        ask(WHAT, picture(PICTURE)),
        ask("And what is it that stands there?", picture(PICTURE), picture(OTHER_PICTURE)),
        ask(WHERE),
    ]
    expected = [expected_ids(pipe, messages) for messages in asked]
    assert [new_ids(result) for result in pipe(asked, batch_size=3, return_tensors=True)] == expected


@videos
def test_videos_of_different_lengths(pipe, video):
    """Sampled about once a second."""
    options = {"num_frames": None}
    asked = [ask(WHAT, film(video)), ask(WHERE, film([*PIXELS])), ask(WHAT, picture(PICTURE)), ask(WHERE)]
    expected = [expected_ids(pipe, messages, processor_kwargs=options) for messages in asked]
    assert expected[0] != expected_ids(pipe, asked[0], processor_kwargs={"num_frames": 1})
    results = pipe(asked, batch_size=4, processor_kwargs=options, return_tensors=True)
    assert [new_ids(result) for result in results] == expected


@videos
def test_options_of_a_segment(pipe, video):
    options = {"start_seconds": 1, "end_seconds": 3, "num_frames": 3}
    expected = expected_ids(pipe, ask(WHAT, film(video)), processor_kwargs=options)
    assert expected != expected_ids(pipe, ask(WHAT, film(video)))
    assert new_ids(pipe(video, text=WHAT, **options, return_tensors=True)) == expected
    assert new_ids(pipe(ask(WHAT, {**film(video), **options}), return_tensors=True)) == expected


@videos
def test_variable_of_the_template(pipe):
    suffix = "Output the thinking process in <think> </think> and final answer (option) in <answer> </answer> tags."
    expected = expected_ids(pipe, ask(f"{WHAT}\n{suffix}", picture(PICTURE)))
    assert new_ids(pipe(images=PICTURE, text=WHAT, think=True, return_tensors=True)) == expected
    with pytest.raises(ValueError, match="Unknown argument 'thinks': use `think`"):
        pipe(images=PICTURE, text=WHAT, thinks=True)


@both
@pytest.mark.parametrize("task", ["image-text-to-text", "any-to-any"])
def test_pipelines_of_transformers(pipe, folders, video, task):
    theirs = pipeline(task, model=pipe.model, processor=pipe.processor)
    visual = picture(PICTURE) if "image" in pipe.processor.placeholders else film(video)
    asked = [ask(WHAT, visual), ask(WHERE, picture(OTHER_PICTURE))]
    expected = [answer(pipe, messages) for messages in asked]
    results = theirs(text=asked, max_new_tokens=6, return_full_text=False)
    assert [result[0]["generated_text"] for result in results] == expected


@images
def test_video_for_a_model_of_images(pipe, video):
    message = "is a video, and this model takes images: pass frames of the video as images, or use a model for videos"
    with pytest.raises(ValueError, match=f"Part 0 of message 0 {message}"):
        pipe(text=[{"role": "user", "content": [{"type": "video", "path": video}, {"type": "text", "text": WHAT}]}])
    with pytest.raises(
        ValueError, match="This model takes images, and a video was given, as which the first argument "
    ):
        pipe(video, text=WHAT)
    with pytest.raises(
        ValueError, match="A MobileVLMProcessor takes images, no videos: pass frames of the video as im"
    ):
        pipe.processor(text="<image>", videos=[PIXELS])
    for name in ("num_frames", "start_seconds", "fps", "sampling", "video_start"):
        with pytest.raises(
            ValueError, match=f"Unknown argument '{name}': it is an option for videos, and this model t"
        ):
            pipe(images=PICTURE, text=WHAT, **{name: 3})


@both
def test_frames_are_not_selected(pipe):
    with pytest.raises(
        ValueError, match="ForConditionalGeneration selects no frames, it looks at all that it is given"
    ):
        pipe(images=PICTURE, text=WHAT, return_selected_frames=True)
