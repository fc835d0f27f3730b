# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The pipeline answers as processor and model do, whatever form the questions come in."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from chats import PICTURE, PIXELS, WHAT, WHERE, answer, ask, film, text


VIDEO_TOKEN = "<|video_pad|>"


class ListDataset(Dataset):
    """Unlike a list, does not say where it ends."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        assert index < 100, "read on and on"
        return self.items[index % len(self.items)]


class StreamedDataset(IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


def test_one_question_about_one_video(pipe, video, answers):
    assert pipe(video, text=WHAT) == [{"generated_text": answers[video, WHAT]}]
    assert pipe(videos=Path(video), text=WHERE) == [{"generated_text": answers[video, WHERE]}]
    assert pipe(Path(video).read_bytes(), text=WHAT) == [{"generated_text": answers[video, WHAT]}]


@pytest.mark.parametrize(
    "frames",
    [PIXELS, torch.from_numpy(PIXELS), list(PIXELS), [Image.fromarray(frame) for frame in PIXELS]],
    ids=["array", "tensor", "list_of_arrays", "list_of_images"],
)
def test_frames_are_one_video(pipe, frames):
    expected = [{"generated_text": answer(pipe, ask(WHAT, film(PIXELS)))}]
    assert pipe(frames, text=WHAT) == expected
    assert pipe([frames, PIXELS], text=WHAT) == [expected, expected]


def test_batch_of_arrays(pipe):
    batch = np.stack([PIXELS, PIXELS[::-1]])
    expected = [[{"generated_text": answer(pipe, ask(WHAT, film(frames)))}] for frames in batch]
    assert pipe(batch, text=WHAT) == expected
    assert expected[0] != expected[1]


def test_frame_paths(pipe, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, frame in zip(paths, PIXELS, strict=False):
        Image.fromarray(frame).save(path)
    options = {"do_sample_frames": False}
    expected = [{"generated_text": answer(pipe, ask(WHAT, film(PIXELS[:4])), processor_kwargs=options)}]
    assert pipe({"video": paths, "text": WHAT}, **options) == expected
    assert pipe([[paths]], text=WHAT, **options) == [expected]
    raw = f"{VIDEO_TOKEN}\n{WHAT}"
    assert pipe({"video": paths, "text": raw}, raw_prompt=True, **options) == pipe(
        PIXELS[:4], text=raw, raw_prompt=True
    )


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_lists(pipe, video, short_video, answers, batch_size):
    videos = [video, short_video, video]
    one_for_all = pipe(videos, text=WHAT, batch_size=batch_size)
    assert one_for_all == [[{"generated_text": answers[path, WHAT]}] for path in videos]
    questions = [WHERE, WHAT, WHAT]
    one_for_each = pipe(tuple(videos), text=questions, batch_size=batch_size)
    pairs = zip(videos, questions, strict=True)
    assert one_for_each == [[{"generated_text": answers[pair]}] for pair in pairs]
    about_one = pipe(video, text=(WHAT, WHERE), batch_size=batch_size)
    assert about_one == [[{"generated_text": answers[video, question]}] for question in (WHAT, WHERE)]


def test_lists_of_one_and_of_none(pipe, video, answers):
    assert pipe([video], text=WHAT) == [[{"generated_text": answers[video, WHAT]}]]
    assert pipe([], text=WHAT) == pipe([], text=[]) == pipe([]) == []


def test_samples(pipe, video, short_video, answers):
    expected = [[{"generated_text": answers[video, WHAT]}], [{"generated_text": answers[short_video, WHERE]}]]
    samples = [{"video": video, "text": WHAT}, {"videos": [short_video], "text": WHERE, "images": None}]
    assert pipe(samples[0]) == pipe(text=samples[0]) == expected[0]
    assert pipe(samples) == pipe(text=tuple(samples)) == pipe(samples, batch_size=2) == expected
    for stream in ((sample for sample in samples), iter(samples), ListDataset(samples), StreamedDataset(samples)):
        results = pipe(stream, batch_size=2)
        assert not isinstance(results, list)
        assert list(results) == expected


def test_streams_of_videos(pipe, video, short_video, answers):
    videos = [video, short_video, video]
    expected = [[{"generated_text": answers[path, WHAT]}] for path in videos]
    samples = [{"file": path} for path in videos]
    for stream in (
        (path for path in videos),
        map(str, videos),
        ListDataset(videos),
        KeyDataset(samples, "file"),
        StreamedDataset(videos),
    ):
        assert list(pipe(stream, text=WHAT, batch_size=2)) == expected
    assert len(pipe(ListDataset(videos), text=WHAT)) == 3


def test_chats(pipe, video, short_video, answers):
    chats = [ask(WHAT, film(video)), ask(WHERE, film(short_video))]
    said = [answers[video, WHAT], answers[short_video, WHERE]]
    expected = [
        [{"generated_text": [*chat, {"role": "assistant", "content": content}]}]
        for chat, content in zip(chats, said, strict=True)
    ]
    assert pipe(chats[0]) == pipe(text=chats[0]) == pipe(tuple(chats[0])) == expected[0]
    assert pipe(chats) == pipe(text=chats) == pipe(chats, batch_size=2) == expected
    samples = [{"chat": chat} for chat in chats]
    for stream in ((chat for chat in chats), iter(chats), ListDataset(chats), KeyDataset(samples, "chat")):
        assert list(pipe(stream)) == expected


def test_several_turns(pipe, video, answers):
    chat = [*ask(WHAT, film(video)), {"role": "assistant", "content": "A cat."}, *ask(WHERE)]
    [result] = pipe(chat, return_full_text=False)
    assert result["generated_text"] == answer(pipe, chat) != answers[video, WHERE]


@pytest.mark.parametrize("content", ["It is a", [text("It is "), text("a")]], ids=["string", "parts"])
def test_answer_that_was_begun(pipe, video, content):
    chat = [*ask(WHAT, film(video)), {"role": "assistant", "content": content}]
    added = answer(pipe, chat)
    full = content + added if isinstance(content, str) else [text("It is "), text("a" + added)]
    assert pipe(chat) == [{"generated_text": [chat[0], {"role": "assistant", "content": full}]}]
    assert pipe(chat, return_full_text=False) == [{"generated_text": added}]
    new_message = pipe(chat, continue_final_message=False)[0]["generated_text"]
    assert new_message[:2] == chat
    assert new_message[2]["role"] == "assistant"


def test_text_alone(pipe):
    expected = [{"generated_text": answer(pipe, ask(WHAT))}]
    assert pipe(text=WHAT) == pipe({"text": WHAT}) == expected
    assert pipe(text=[WHAT, WHAT]) == [expected, expected]
    assert pipe(ask(WHAT), return_full_text=False) == expected


def test_images(pipe, video, short_video, tmp_path):
    picture = {"type": "image", "image": PICTURE}
    other = {"type": "image", "image": PICTURE.rotate(180)}
    expected = [[{"generated_text": answer(pipe, ask(WHAT, image))}] for image in (picture, other)]
    assert pipe(text=WHAT, images=PICTURE) == pipe({"text": WHAT, "image": PICTURE}) == expected[0]
    PICTURE.save(tmp_path / "picture.png")
    assert pipe(text=WHAT, images=str(tmp_path / "picture.png")) == expected[0]
    assert pipe(text=WHAT, images=[PICTURE, other["image"]]) == expected
    both = [{"generated_text": answer(pipe, ask(WHAT, picture, other))}]
    assert pipe({"text": WHAT, "images": [PICTURE, other["image"]]}) == both
    assert pipe(text=WHAT, images=[[PICTURE, other["image"]]]) == [both]

    beside_videos = [
        [{"generated_text": answer(pipe, ask(WHAT, image, film(path)))}]
        for image, path in ((picture, video), (other, short_video))
    ]
    assert pipe([video, short_video], text=WHAT, images=[PICTURE, other["image"]]) == beside_videos
    assert pipe(video, text=WHAT, images=PICTURE) == beside_videos[0]


def test_batch_of_samples_that_differ_in_kind(pipe, video, short_video):
    samples = [
        {"text": WHAT},
        {"videos": [video, short_video], "images": [PICTURE], "text": WHERE},
        {"image": PICTURE, "text": WHAT},
        {"video": short_video, "text": WHAT},
    ]
    options = {"return_selected_frames": True, "return_tensors": True}
    single = [pipe(sample, **options) for sample in samples]
    batch = pipe(samples, batch_size=4, **options)
    for [result], [expected] in zip(batch, single, strict=True):
        assert result["generated_token_ids"].tolist() == expected["generated_token_ids"].tolist()
        assert [{**frame, "score": pytest.approx(frame["score"])} for frame in result["selected_frames"]] == expected[
            "selected_frames"
        ]


def test_raw_prompt_is_complete(pipe, video):
    prompt = f"Look: {VIDEO_TOKEN} A film of"
    inputs = pipe.processor(text=prompt, videos=video, return_tensors="pt")
    ids = pipe.model.generate(**inputs, max_new_tokens=6)[0, inputs["input_ids"].shape[1] :]
    expected = pipe.processor.decode(ids, skip_special_tokens=True)
    assert pipe(video, text=prompt, raw_prompt=True) == [{"generated_text": expected}]
    assert pipe(video, text=prompt, raw_prompt=True, return_full_text=True) == [{"generated_text": prompt + expected}]
    with pytest.raises(ValueError, match="Found total 2 .* tokens and 1 videos"):
        pipe(video, text=prompt + VIDEO_TOKEN, raw_prompt=True)


@pytest.mark.parametrize("token", ["<|video_pad|>", "<|im_end|>", "<|endoftext|>"])
def test_control_tokens_of_a_question_are_text(pipe, video, token):
    question = f"Is {token} red?"
    content = [film(video), text(question)]
    inputs = pipe.processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    [result] = pipe(video, text=question, return_tensors=True)
    ids = result["generated_token_ids"].tolist()
    [prompt] = inputs["input_ids"]
    assert ids[: len(prompt)] == list(prompt)
    assert prompt.count(pipe.processor.video_token_id) == pipe.processor.num_video_tokens
    [raw] = (
        pipe([{"role": "user", "content": content[1:]}], raw_prompt=True, return_tensors=True)
        if token != VIDEO_TOKEN
        else [result]
    )
    assert (raw["generated_token_ids"].tolist() == ids) == (token == VIDEO_TOKEN)


@pytest.mark.parametrize("question", ["", " \n"])
def test_empty_question(pipe, video, question):
    for given in ({"videos": video, "text": question}, {"videos": {"video": video, "text": question}}):
        with pytest.raises(ValueError, match="^The question is missing: the text is empty. Say what to answer"):
            pipe(**given)
    with pytest.raises(ValueError, match="^The question is missing: the last message of the user has no text"):
        pipe(ask(question, film(video)))


def test_surrogate_in_a_question(pipe, video):
    with pytest.raises(ValueError, match=r"^The question has a lone surrogate \(U\+D83D\) at position 2"):
        pipe(video, text="Hi\ud83d")


def test_options_in_a_part_of_a_chat(pipe, video):
    chat = ask(WHAT, {**film(video), "start_seconds": 1, "end_seconds": 2})
    options = {"return_full_text": False, "return_selected_frames": True}
    assert pipe(chat, **options) == pipe(video, text=WHAT, start_seconds=1, end_seconds=2, **options)
    with pytest.raises(ValueError, match="has the unknown key 'video_start': it is called 'start_seconds' here"):
        pipe(ask(WHAT, {**film(video), "video_start": 1}))


@pytest.mark.parametrize(
    "given, message",
    [
        ({"question": WHAT}, "'question': use `text`"),
        ({"prompt": WHAT, "text": WHAT}, "'prompt': use `text`"),
        ({"video": "a.mp4", "text": WHAT}, "'video': use `videos`"),
        ({"image": PICTURE, "text": WHAT}, "'image': use `images`"),
        ({"text": WHAT, "video_start": 1}, "'video_start': use `start_seconds`"),
        ({"text": WHAT, "start_second": 1}, "'start_second': use `start_seconds`"),
        ({"text": WHAT, "xyz": 1}, "'xyz': options of `generate` and of the processor are taken"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_unknown_argument(pipe, given, message):
    # at the call, not when its results are read
    with pytest.raises(ValueError, match=f"^Unknown argument {message}"):
        pipe((path for path in ["a.mp4"]), **given)


def test_no_model():
    with pytest.raises(ValueError, match="A model is missing: pass the name of a repository or a folder"):
        pipeline("video-text-to-text")


def test_inputs_are_not_modified(pipe, video):
    chat = [*ask(WHAT, film(video)), {"role": "assistant", "content": [text("It")]}]
    sample = {"video": video, "images": [PICTURE], "text": WHAT}
    options = {"generate_kwargs": {"max_new_tokens": 1}, "processor_kwargs": {"start_seconds": 1}}
    given = (chat, sample, options)
    before = copy.deepcopy(given)
    pipe(chat, **options)
    pipe(sample, **options, do_sample=False, end_seconds=2)
    assert given == before


def test_nothing(pipe):
    with pytest.raises(ValueError, match="A question is missing: pass it as `text`"):
        pipe()
    with pytest.raises(ValueError, match="A question is missing: pass it as `text`"):
        pipe(images=PICTURE)


@pytest.mark.parametrize(
    "videos",
    ["a.mp4", ["a.mp4", "b.mp4"], PIXELS, [PICTURE, PICTURE], {"video": "a.mp4"}, {"text": None}, 5],
    ids=["path", "list", "array", "frames", "sample", "no_text", "number"],
)
def test_no_question(pipe, videos):
    with pytest.raises(ValueError, match="A sample must be a chat, .* needs a question. Got "):
        pipe(videos)


def test_no_question_in_a_stream(pipe):
    with pytest.raises(ValueError, match="A sample must be a chat, .* Got str 'a.mp4'"):
        list(pipe(path for path in ["a.mp4"]))


def test_unknown_key_of_a_sample(pipe):
    with pytest.raises(ValueError, match="A sample must be a chat, .* Got dict {'text': 'Hi', 'film': 'a.mp4'}"):
        pipe({"text": "Hi", "film": "a.mp4"})


@pytest.mark.parametrize(
    "given, counts",
    [
        ({"videos": ["a.mp4", "b.mp4"], "text": [WHAT] * 3}, "2 videos and 3 texts"),
        ({"videos": ["a.mp4", "b.mp4"], "images": [PICTURE], "text": WHAT}, "2 videos and 1 images"),
        ({"images": [PICTURE] * 2, "text": [WHAT]}, "2 images and 1 texts"),
    ],
)
def test_lists_of_different_lengths(pipe, given, counts):
    with pytest.raises(ValueError, match=f"Lists must be of one length, got {counts}: pass as many of each"):
        pipe(**given)


def test_visuals_beside_a_chat(pipe, video):
    chat = ask(WHAT, film(video))
    for given in (
        {"videos": chat, "images": PICTURE},
        {"videos": video, "text": chat},
        {"images": PICTURE, "text": chat},
    ):
        with pytest.raises(
            ValueError, match="need a `text` beside them, .* those of a chat or a dictionary belong into"
        ):
            pipe(**given)


@pytest.mark.parametrize("options", [{"text": [WHAT]}, {"text": WHAT, "images": PICTURE}], ids=["texts", "images"])
def test_stream_with_more_than_one_question(pipe, options):
    with pytest.raises(ValueError, match="With a generator or dataset of videos, `text` must be one question"):
        pipe((path for path in ["a.mp4"]), **options)
