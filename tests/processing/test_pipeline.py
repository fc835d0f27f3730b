# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The pipeline answers as processor and model do, whatever form the questions come in."""

import copy
import json
import string
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from release_layout import VOCAB_SIZE, make_release, make_tokenizer
from torch.utils.data import Dataset, IterableDataset
from transformers import GenerationConfig, pipeline
from transformers.generation.streamers import BaseStreamer
from transformers.pipelines.pt_utils import KeyDataset

from transformers_mvgpt import VideoTextToTextPipeline


VIDEO_TOKEN = "<|video_pad|>"
WHAT, WHERE = "What is it?", "Where?"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8))
PIXELS = np.random.default_rng(1).integers(0, 256, (9, 30, 40, 3), dtype=np.uint8)


class ListDataset(Dataset):
    """Unlike a list, does not know where it ends."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index % len(self.items)]


class StreamedDataset(IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """A small checkpoint that answers in letters: of most other bytes there is nothing to compare in a text."""
    folder = make_release(tmp_path_factory.mktemp("release"))
    tokens = make_tokenizer().get_vocab()
    file = folder / "generation_config.json"
    config = json.loads(file.read_text())
    suppressed = sorted({*range(VOCAB_SIZE)} - {tokens[letter] for letter in string.ascii_letters})
    file.write_text(json.dumps({**config, "suppress_tokens": suppressed, "repetition_penalty": 1.5}))
    return folder


@pytest.fixture(scope="module")
def pipe(release) -> VideoTextToTextPipeline:
    return pipeline("video-text-to-text", model=str(release), device="cpu", max_new_tokens=6)


@pytest.fixture(scope="module")
def video(clip) -> str:
    """40 frames, 10 of them per second, each of which shows its number."""
    return str(clip("h264.mp4"))


@pytest.fixture(scope="module")
def short_video(clip) -> str:
    return str(clip("two_frames.mkv"))


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def ask(question: str, *visuals: dict) -> list[dict]:
    return [{"role": "user", "content": [*visuals, text(question)]}]


def film(path) -> dict:
    return {"type": "video", "video": path}


def generate_ids(pipe, messages: list[dict], processor_kwargs: dict | None = None, **generate_kwargs) -> torch.Tensor:
    """What the processor and the model make of a chat, without the pipeline: the new tokens."""
    is_continued = messages[-1]["role"] == "assistant"
    inputs = pipe.processor.apply_chat_template(
        messages,
        add_generation_prompt=not is_continued,
        continue_final_message=is_continued,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs=dict(processor_kwargs or {}),  # which transformers adds to
    )
    ids = pipe.model.generate(**inputs, **{"max_new_tokens": 6, **generate_kwargs})
    return ids[:, inputs["input_ids"].shape[1] :]


def answer(pipe, messages: list[dict], **options) -> str:
    [ids] = generate_ids(pipe, messages, **options)
    return pipe.processor.decode(ids, skip_special_tokens=True)


@pytest.fixture(scope="module")
def answers(pipe, video, short_video) -> dict[tuple[str, str], str]:
    """By video and question."""
    return {
        (path, question): answer(pipe, ask(question, film(path)))
        for path in (video, short_video)
        for question in (WHAT, WHERE)
    }


def test_answers_depend_on_video_and_question(answers):
    """Without that the other tests would show nothing."""
    assert len(set(answers.values())) == 4


# forms of questions


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
    assert pipe({"video": paths, "text": raw}, **options) == pipe(PIXELS[:4], text=raw)


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


def test_batches_are_padded_with_the_pad_token(pipe):
    prompts = {}

    def record(row, ids):
        prompts[row] = ids.tolist()
        return pipe.tokenizer("a").input_ids

    pipe(text=[WHAT, WHERE], batch_size=2, max_new_tokens=1, prefix_allowed_tokens_fn=record)
    num_padded = len(WHAT) - len(WHERE)  # a token is a byte
    assert prompts[1][:num_padded] == [pipe.tokenizer.pad_token_id] * num_padded
    assert pipe.tokenizer.pad_token_id not in prompts[0] + prompts[1][num_padded:]


def test_prompt_with_placeholders_is_complete(pipe, video):
    prompt = f"Look: {VIDEO_TOKEN} A film of"
    inputs = pipe.processor(text=prompt, videos=video, return_tensors="pt")
    ids = pipe.model.generate(**inputs, max_new_tokens=6)[0, inputs["input_ids"].shape[1] :]
    expected = pipe.processor.decode(ids, skip_special_tokens=True)
    assert pipe(video, text=prompt) == [{"generated_text": expected}]
    assert pipe(video, text=prompt, return_full_text=True) == [{"generated_text": prompt + expected}]
    with pytest.raises(ValueError, match="Found total 2 .* tokens and 1 videos"):
        pipe(video, text=prompt + VIDEO_TOKEN)


def test_inputs_are_not_modified(pipe, video):
    chat = [*ask(WHAT, film(video)), {"role": "assistant", "content": [text("It")]}]
    sample = {"video": video, "images": [PICTURE], "text": WHAT}
    options = {"generate_kwargs": {"max_new_tokens": 1}, "processor_kwargs": {"start_seconds": 1}}
    given = (chat, sample, options)
    before = copy.deepcopy(given)
    pipe(chat, **options)
    pipe(sample, **options, do_sample=False, end_seconds=2)
    assert given == before


# options


def test_options_of_generate(pipe, video):
    expected = [{"generated_text": answer(pipe, ask(WHAT, film(video)), max_new_tokens=3)}]
    for options in (
        {"max_new_tokens": 3},
        {"generate_kwargs": {"max_new_tokens": 3}},
        {"generation_config": GenerationConfig(max_new_tokens=3)},
        {"generate_kwargs": {"max_new_tokens": 3}, "num_beams": 1},
    ):
        assert pipe(video, text=WHAT, **options) == expected
    forced = pipe(video, text=WHAT, prefix_allowed_tokens_fn=lambda batch, ids: pipe.tokenizer("z").input_ids)
    assert forced == [{"generated_text": "zzzzzz"}]


@pytest.mark.parametrize(
    "where, options", [("generate_kwargs", {"max_new_tokens": 3}), ("processor_kwargs", {"start_seconds": 1})]
)
def test_option_given_twice(pipe, video, where, options):
    [name] = options
    with pytest.raises(ValueError, match=f"'{name}' is given twice, in `{where}` and as an argument"):
        pipe(video, text=WHAT, **options, **{where: options})


def test_options_of_the_processor(pipe, video, answers):
    options = {"start_seconds": 1, "end_seconds": 2.5, "video_backend": "pyav"}
    expected = [{"generated_text": answer(pipe, ask(WHAT, film(video)), processor_kwargs=options)}]
    assert pipe(video, text=WHAT, **options) == expected
    assert pipe(video, text=WHAT, processor_kwargs=options) == expected
    assert pipe(video, text=WHAT, start_seconds=1, processor_kwargs={"end_seconds": 2.5}) == expected
    assert expected != [{"generated_text": answers[video, WHAT]}]


def test_options_of_the_constructor(release, video):
    options = {"start_seconds": 1, "stop_sequence": "z", "return_selected_frames": True, "batch_size": 2}
    pipe = pipeline("video-text-to-text", model=str(release), device="cpu", max_new_tokens=3, **options)
    [result] = pipe(video, text=WHAT, end_seconds=2.5, repetition_penalty=1.5)
    segment = {"start_seconds": 1, "end_seconds": 2.5}
    generate_kwargs = {"max_new_tokens": 3, "repetition_penalty": 1.5}
    assert result["generated_text"] == answer(
        pipe, ask(WHAT, film(video)), processor_kwargs=segment, **generate_kwargs
    )
    assert {frame["index"] for frame in result["selected_frames"]} <= set(range(10, 26))
    [result] = pipe(video, text=WHAT, start_seconds=3, return_selected_frames=False)
    assert result == {
        "generated_text": answer(pipe, ask(WHAT, film(video)), processor_kwargs={"start_seconds": 3}, max_new_tokens=3)
    }


def test_several_sequences(pipe, video):
    beams = {"num_beams": 3, "num_return_sequences": 2}
    ids = generate_ids(pipe, ask(WHAT, film(video)), **beams)
    expected = [{"generated_text": said} for said in pipe.processor.batch_decode(ids, skip_special_tokens=True)]
    assert pipe(video, text=WHAT, **beams) == expected
    assert pipe([video, video], text=WHAT, batch_size=2, **beams) == [expected, expected]
    with_frames = pipe(video, text=WHAT, return_selected_frames=True, **beams)
    assert [{"generated_text": result["generated_text"]} for result in with_frames] == expected
    assert with_frames[0]["selected_frames"] == with_frames[1]["selected_frames"] != []


def test_sampling(pipe, video):
    options = {"do_sample": True, "temperature": 5.0, "num_return_sequences": 3}
    results = pipe(video, text=WHAT, **options)
    torch.manual_seed(0)
    assert pipe(video, text=WHAT, **options) == results
    assert len({result["generated_text"] for result in results}) == 3


def test_scores_may_be_asked_for(pipe, video, answers):
    options = {"return_dict_in_generate": True, "output_scores": True}
    assert pipe(video, text=WHAT, **options) == [{"generated_text": answers[video, WHAT]}]


def test_streamer(pipe, video):
    class Recorder(BaseStreamer):
        def __init__(self):
            self.pieces = []

        def put(self, value):
            self.pieces.append(value.flatten().tolist())

        def end(self):
            self.pieces.append("end")

    recorder = Recorder()
    [result] = pipe(video, text=WHAT, streamer=recorder, return_tensors=True)
    prompt, *new, end = recorder.pieces
    assert prompt + sum(new, []) == result["generated_token_ids"].tolist()
    assert (len(new), end) == (6, "end")


def test_tokens(pipe, video):
    [result] = pipe(video, text=WHAT, return_tensors=True)
    prompt = pipe.processor.apply_chat_template(
        ask(WHAT, film(video)), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    new = generate_ids(pipe, ask(WHAT, film(video)))
    assert result["generated_token_ids"].tolist() == [*prompt["input_ids"][0].tolist(), *new[0].tolist()]


def test_full_text(pipe, video, answers):
    assert pipe(video, text=WHAT, return_full_text=True) == [{"generated_text": WHAT + answers[video, WHAT]}]
    chat = ask(WHAT, film(video))
    assert pipe(chat, return_full_text=False) == [{"generated_text": answers[video, WHAT]}]
    with pytest.raises(ValueError, match="`return_full_text` and `return_tensors` exclude each other"):
        pipe(chat, return_full_text=True, return_tensors=True)


@pytest.mark.parametrize("name", ["stop_sequence", "stop_strings"])
@pytest.mark.parametrize("kind", [str, lambda text: [text, "something else"]], ids=["string", "list"])
def test_stop_sequence(pipe, name, kind):
    say = {"prefix_allowed_tokens_fn": lambda batch, ids: [pipe.tokenizer("ab").input_ids[len(ids) % 2]]}
    [unstopped] = pipe(text=WHAT, **say)
    [result] = pipe(text=WHAT, **say, **{name: kind("bab")})
    assert unstopped["generated_text"] in ("ababab", "bababa")
    assert result["generated_text"] in ("abab", "bab")


def test_special_tokens(pipe):
    options = {"suppress_tokens": [*range(256), *range(257, VOCAB_SIZE)], "max_new_tokens": 1}
    [token] = pipe.tokenizer.convert_ids_to_tokens([256])
    assert token in pipe.tokenizer.all_special_tokens
    assert pipe(text=WHAT, **options) == [{"generated_text": ""}]
    assert pipe(text=WHAT, skip_special_tokens=False, **options) == [{"generated_text": token}]


def test_default_length(release):
    pipe = pipeline("video-text-to-text", model=str(release), device="cpu")
    assert (
        pipe(text=WHAT, return_tensors=True)[0]["generated_token_ids"].shape[-1]
        == pipe(text=WHAT, return_tensors=True, max_new_tokens=7)[0]["generated_token_ids"].shape[-1]
    )  # as the checkpoint's generation config says
    pipe.model.generation_config.max_new_tokens = None
    assert pipe._prepare_generate_kwargs({})["max_new_tokens"] == 1024


@pytest.mark.parametrize("batch_size", [1, 2])
def test_worker_processes(pipe, video, short_video, answers, batch_size):
    results = pipe([video, short_video], text=WHAT, num_workers=1, batch_size=batch_size)
    assert results == [[{"generated_text": answers[path, WHAT]}] for path in (video, short_video)]


# selected frames


def test_selected_frames(pipe, video, answers):
    [result] = pipe(video, text=WHAT, return_selected_frames=True)
    assert result["generated_text"] == answers[video, WHAT]

    features = pipe.processor.video_processor(video, return_metadata=True, return_tensors="pt")
    [metadata] = features.pop("video_metadata")
    with torch.no_grad():
        outputs = pipe.model.get_video_features(**features, return_dict=True)
    [positions], [scores] = outputs.selected_frames.tolist(), outputs.frame_scores.tolist()
    assert metadata.frames_indices == [0, 10, 20, 30]
    assert result["selected_frames"] == [
        {
            "video": 0,
            "index": 10 * position,
            "seconds": pytest.approx(position),
            "score": pytest.approx(scores[position]),
        }
        for position in positions
    ]
    assert len(positions) == 2
    assert pipe(video, text=WHAT, return_selected_frames=True, return_metadata=False) == [result]


def test_selected_frames_of_a_segment(pipe, video):
    [result] = pipe(video, text=WHAT, start_seconds=1.5, end_seconds=1.8, return_selected_frames=True)
    assert [frame["index"] for frame in result["selected_frames"]][0] in (15, 16)
    assert [frame["index"] for frame in result["selected_frames"]][1] in (17, 18)
    for frame in result["selected_frames"]:
        assert frame["seconds"] == pytest.approx(frame["index"] / 10)


def test_selected_frames_of_several_videos(pipe, video, short_video):
    [result] = pipe({"videos": [video, short_video], "text": WHAT}, return_selected_frames=True)
    alone = [pipe(path, text=WHAT, return_selected_frames=True)[0]["selected_frames"] for path in (video, short_video)]
    expected = [{**frame, "video": number} for number, frames in enumerate(alone) for frame in frames]
    assert [{**frame, "score": pytest.approx(frame["score"])} for frame in result["selected_frames"]] == expected


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_selected_frames_of_a_short_video_are_its_own(pipe, num_frames):
    [result] = pipe(PIXELS[:num_frames], text=WHAT, return_selected_frames=True)
    indices = [frame["index"] for frame in result["selected_frames"]]
    assert set(indices) <= set(range(num_frames))
    assert indices == sorted(indices)
    assert {frame["seconds"] for frame in result["selected_frames"]} <= {None}  # of frames without a rate


def test_selected_frames_of_frames_with_a_rate(pipe):
    metadata = {"total_num_frames": 9, "fps": 3.0}
    [result] = pipe(PIXELS, text=WHAT, video_metadata=metadata, return_selected_frames=True)
    assert len(result["selected_frames"]) == 2
    for frame in result["selected_frames"]:
        assert frame["seconds"] == frame["index"] / 3


def test_no_video_has_no_selected_frames(pipe):
    assert pipe(text=WHAT, return_selected_frames=True)[0]["selected_frames"] == []
    assert "selected_frames" not in pipe(text=WHAT)[0]


# other ways to the same answer


@pytest.mark.parametrize("task", ["image-text-to-text", "any-to-any"])
def test_pipelines_of_transformers(pipe, release, video, answers, task):
    other = pipeline(task, model=str(release), device="cpu")
    picture = {"type": "image", "image": PICTURE}
    for chat in (ask(WHAT, film(video)), ask(WHERE, picture), ask(WHAT, picture, film(video))):
        [expected] = pipe(chat, return_full_text=False)
        [result] = other(text=chat, max_new_tokens=6, return_full_text=False)
        assert result["generated_text"] == expected["generated_text"]


def test_model_and_processor_as_objects(pipe, video, answers):
    other = pipeline("video-text-to-text", model=pipe.model, processor=pipe.processor)
    assert type(other) is VideoTextToTextPipeline
    assert other(video, text=WHAT, max_new_tokens=6) == [{"generated_text": answers[video, WHAT]}]


@pytest.mark.parametrize("dtype", ["bfloat16", torch.bfloat16])
def test_half_precision(release, video, dtype):
    pipe = pipeline("video-text-to-text", model=str(release), device="cpu", dtype=dtype, max_new_tokens=6)
    assert pipe.model.dtype == torch.bfloat16
    [result] = pipe([video], text=WHAT, return_selected_frames=True, return_tensors=True)[0]
    assert len(result["selected_frames"]) == 2
    assert pipe.preprocess({"video": video, "text": WHAT})["sample"]["pixel_values_videos"].dtype == torch.bfloat16


def test_saved_and_loaded(pipe, video, answers, tmp_path):
    pipe.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.py"))
    loaded = pipeline("video-text-to-text", model=str(tmp_path), device="cpu")
    assert loaded.processor.to_dict() == pipe.processor.to_dict()
    assert loaded(video, text=WHAT, max_new_tokens=6) == [{"generated_text": answers[video, WHAT]}]


# errors


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


def test_unknown_option(pipe, video):
    with pytest.raises(ValueError, match="Unknown option 'max_tokens'; the options of MobileVideoGPTProcessor are"):
        pipe(video, text=WHAT, max_tokens=3)


def test_missing_file(pipe):
    with pytest.raises(FileNotFoundError, match="There is no video at 'missing.mp4'"):
        pipe("missing.mp4", text=WHAT)


def test_more_frames_than_the_model_takes(pipe, video):
    with pytest.raises(ValueError, match="has 8 frames per video, this model takes 1 to 4"):
        pipe(video, text=WHAT, num_frames=8)
