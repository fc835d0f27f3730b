# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A video gives the same pixels, ids and answers in whatever form it is handed over, and to whatever takes it."""

import base64
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from chats import PICTURE, PIXELS, WHAT, ask, film
from input_forms import FORMS, data_address, make_decoder
from tiny_families import write_tinyllava
from transformers_mvgpt import TinyLlavaVideoProcessor, UntrustedInput


@pytest.fixture(scope="module", params=["mobile_videogpt", "tinyllava"])
def processor(request, pipe, tmp_path_factory):
    if request.param == "mobile_videogpt":
        return pipe.processor
    return TinyLlavaVideoProcessor.from_pretrained(write_tinyllava(tmp_path_factory.mktemp("tinyllava")))


@pytest.fixture(params=FORMS)
def form(request, video):
    return lambda: FORMS[request.param](video)


@pytest.fixture(scope="module")
def picture_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    PICTURE.save(path)
    return str(path)


def encode(processor, part, question=WHAT, **options):
    return processor.apply_chat_template(
        ask(question, part),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        **options,
    )


def is_same(inputs, expected) -> bool:
    return inputs.keys() == expected.keys() and all(inputs[name].equal(expected[name]) for name in expected)


def test_processor(processor, form, video):
    token = processor.placeholders["video"]
    expected = processor(text=token, videos=video, return_tensors="pt")
    assert is_same(processor(text=token, videos=form(), return_tensors="pt"), expected)
    assert is_same(processor(text=[token], videos=[[form()]], return_tensors="pt"), expected)
    alone = processor.video_processor(form(), start_seconds=1, end_seconds=2.5, return_metadata=True)
    of_file = processor.video_processor(video, start_seconds=1, end_seconds=2.5, return_metadata=True)
    [metadata], [of_file_metadata] = alone["video_metadata"], of_file["video_metadata"]
    assert metadata.frames_indices == of_file_metadata.frames_indices
    assert metadata.timestamps == pytest.approx(of_file_metadata.timestamps)


def test_chat(processor, form, video):
    expected = encode(processor, film(video))
    assert is_same(encode(processor, film(form())), expected)


@pytest.mark.parametrize(
    "part",
    [
        lambda path: {"type": "video_url", "video_url": {"url": Path(path).as_uri(), "fps": None}},
        lambda path: {"type": "video_url", "video_url": data_address(path)},
        lambda path: {"type": "input_video", "video_url": {"url": path}},
        lambda path: {"type": "input_video", "input_video": {"url": path}},
        lambda path: {"type": "input_video", "input_video": path},
        lambda path: {
            "type": "input_video",
            "input_video": {"data": data_address(path).partition(",")[2], "format": "mp4"},
        },
        lambda path: {"type": "input_video", "data": data_address(path).partition(",")[2], "format": "mp4"},
        lambda path: {"type": "input_video", "input_video": {"data": data_address(path)}},
        lambda path: {"type": "input_video", "video": Path(path)},
        lambda path: {"type": "input_video", "path": path},
    ],
    ids=["url", "data_url", "input_url", "input_input", "string", "base64", "flat", "data_address", "object", "path"],
)
def test_parts_of_openai(processor, part, video):
    assert is_same(encode(processor, part(video)), encode(processor, film(video)))
    with_options = encode(processor, {**part(video), "start_seconds": 1, "end_seconds": 2})
    assert is_same(with_options, encode(processor, {**film(video), "start_seconds": 1, "end_seconds": 2}))


def test_options_beside_an_address(processor, video):
    part = {"type": "video_url", "video_url": {"url": video, "fps": 1, "end_seconds": 2}}
    assert is_same(encode(processor, part), encode(processor, {**film(video), "fps": 1, "end_seconds": 2}))


@pytest.mark.parametrize(
    "part",
    [
        lambda path: {"type": "image_url", "image_url": {"url": path, "detail": "high"}},
        lambda path: {"type": "input_image", "image_url": Path(path).as_uri(), "detail": "auto"},
        lambda path: {
            "type": "input_image",
            "input_image": {"data": base64.b64encode(Path(path).read_bytes()).decode()},
        },
        lambda path: {"type": "image", "image": {"bytes": Path(path).read_bytes(), "path": None}},
        lambda path: {"type": "image", "image": {"bytes": None, "path": path}},
    ],
    ids=["url", "input_url", "base64", "noted_bytes", "noted_path"],
)
def test_parts_with_images(processor, part, picture_file):
    expected = encode(processor, {"type": "image", "image": PICTURE})
    assert is_same(encode(processor, part(picture_file)), expected)
    asked = [{"role": "user", "content": [part(picture_file), {"type": "input_text", "text": WHAT}]}]
    inputs = processor.apply_chat_template(
        asked, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert is_same(inputs, expected)


@pytest.mark.parametrize(
    "part, message",
    [
        ({"type": "video_url"}, "must have its address as 'video_url': .*, got None"),
        ({"type": "input_video"}, "must have its address as 'video_url': .*, got None"),
        ({"type": "input_video", "input_video": {"data": 5}}, "must have its address as .*, got {'data': 5}"),
        (
            {"type": "input_video", "input_video": {"data": "AA==", "format": "mp4;x"}},
            "must have a 'format' such as 'mp4', got",
        ),
        (
            {"type": "input_video", "input_video": {"data": "AA==", "format": 5}},
            "must have a 'format' such as 'mp4', got 5",
        ),
        (
            {"type": "input_video", "input_video": {"data": "AA==", "url": "a"}},
            "has 'url' and 'data': it may have one",
        ),
        (
            {"type": "video_url", "video_url": {"url": "a", "frames": 2}},
            "has the unknown key 'frames': it is called 'num_frames'",
        ),
        (
            {"type": "video_url", "video_url": {"url": "a", "fps": 2}, "fps": 1},
            "has 'fps' twice: leave one of them out",
        ),
        (
            {"type": "input_video", "video_url": "a", "input_video": "b"},
            "has 'video_url' and 'input_video': it may have one",
        ),
        ({"type": "input_video", "video_url": "a", "url": "b"}, "has 'url' twice"),
        (
            {"type": "image_url", "image_url": {"url": "a", "detail": "most"}},
            "must have as its 'detail' one of 'auto', 'low'",
        ),
        ({"type": "image_url", "image_url": {"url": "a", "fps": 1}}, "has the unknown key 'fps'"),
        ({"type": "input_audio", "input_audio": {"data": "AA=="}}, "has the type 'input_audio': use"),
    ],
    ids=repr,
)
def test_wrong_parts_of_openai(pipe, part, message):
    with pytest.raises(ValueError, match=f"^Part 0 of message 0.*{message}") as error:
        encode(pipe.processor, part)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_pipeline(pipe, form, video, answers):
    expected = [{"generated_text": answers[video, WHAT]}]
    samples = [{"video": form(), "question": WHAT}, {"videos": [form()], "text": WHAT}, ask(WHAT, film(form()))]
    assert pipe(samples, batch_size=3, return_full_text=False) == [expected] * 3
    assert pipe(form(), text=WHAT) == expected


@pytest.mark.parametrize("as_stream", [False, True], ids=["list", "generator"])
@pytest.mark.parametrize("name", ["open_file", "noted_decoder", "memoryview", "noted_bytes"])
def test_workers(pipe, video, short_video, answers, name, as_stream):
    """Open files and decoders are read by threads: sent to another process, a decoder would be a pointer into this one."""
    videos = [FORMS[name](path) for path in (video, short_video, video)]
    samples = [{"video": form, "text": WHAT} for form in videos]
    results = pipe(iter(samples) if as_stream else samples, batch_size=2, num_workers=2)
    assert list(results) == [[{"generated_text": answers[path, WHAT]}] for path in (video, short_video, video)]


def test_open_file_behind_paths_in_a_stream(pipe, video, answers):
    videos = [video, open(video, "rb"), video]
    results = list(pipe(iter(videos), text=WHAT, num_workers=1, on_error="return"))
    good = [{"generated_text": answers[video, WHAT]}]
    assert results[::2] == [good, good]
    assert (
        "holds an open file, a decoder or the like, which cannot be sent to another process" in results[1][0]["error"]
    )


def test_selected_frames_of_a_decoder(pipe, video):
    options = {"return_selected_frames": True, "start_seconds": 1, "end_seconds": 3}
    [expected] = pipe(video, text=WHAT, **options)
    [result] = pipe(make_decoder(video), text=WHAT, **options)
    assert [frame["index"] for frame in result["selected_frames"]] == [
        frame["index"] for frame in expected["selected_frames"]
    ]
    assert [frame["seconds"] for frame in result["selected_frames"]] == pytest.approx(
        [frame["seconds"] for frame in expected["selected_frames"]]
    )


def closed_file(path):
    file = open(path, "rb")
    file.close()
    return file


HOSTILE = {
    "wrong_keys": (lambda _: {"byte": b"", "path": "a.mp4"}, "Not a video: dict {'byte': b'', 'path': 'a.mp4'}"),
    "no_keys": (lambda _: {}, "Not a video: dict {}"),
    "both_none": (lambda _: {"bytes": None, "path": None}, "The video has neither bytes nor a path, both are None"),
    "text_as_bytes": (lambda _: {"bytes": "abc", "path": None}, "The 'bytes' of the video must be bytes, not str"),
    "number_as_path": (lambda _: {"bytes": None, "path": 5}, "The 'path' of the video must be a string, not int"),
    "no_bytes": (lambda _: {"bytes": b"", "path": "a.mp4"}, "The video 'a.mp4' is empty"),
    "noted_missing": (lambda _: {"bytes": None, "path": "missing.mp4"}, "There is no video at 'missing.mp4'"),
    "noted_elsewhere": (
        lambda _: {"bytes": None, "path": "hf://datasets/a/b.mp4"},
        "addresses with 'hf:' are not read",
    ),
    "closed_file": (closed_file, "a file object .BufferedReader., is closed: open it again"),
    "sound": (lambda _: SimpleNamespace(get_all_samples=len, metadata=None), "Not a video: SimpleNamespace"),
    "number": (lambda _: 5, "Not a video: int 5"),
    "nothing": (lambda _: float("nan"), "Not a video: float nan"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_forms(pipe, video, answers, name):
    make, message = HOSTILE[name]
    with pytest.raises((ValueError, TypeError, OSError), match=message) as error:
        pipe.processor(text="<|video_pad|>", videos=[make(video)])
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    good = [{"generated_text": answers[video, WHAT]}]
    bad, other = pipe([make(video), video], text=WHAT, batch_size=2, on_error="return")
    assert other == good and list(bad[0]) == ["error"]


def test_limits_of_noted_files(pipe, video, tmp_path):
    for noted in ({"bytes": None, "path": video}, video, make_decoder(video, noted=True)):
        with pytest.raises(ValueError, match="out of the folder .* that it must not leave"):
            pipe(noted, text=WHAT, untrusted_input=UntrustedInput(media_folder=tmp_path))
        with pytest.raises(ValueError, match="is 64x48, 3,072 pixels; at most 100 are taken"):
            pipe(noted, text=WHAT, untrusted_input=UntrustedInput(max_pixels_per_frame=100))


@pytest.mark.parametrize(
    "given", [PIXELS, torch.from_numpy(PIXELS), list(PIXELS), [PIXELS]], ids=["array", "tensor", "frames", "list"]
)
def test_number_of_frames_in_metadata_is_that_of_the_frames(processor, given):
    options = {"return_metadata": True, "start_seconds": 1, "end_seconds": 2}
    expected = processor.video_processor(given, video_metadata={"total_num_frames": 9, "fps": 3.0}, **options)
    [metadata] = processor.video_processor(given, video_metadata={"fps": 3.0}, **options)["video_metadata"]
    assert metadata == expected["video_metadata"][0]
    assert metadata.frames_indices[0] >= 3


@pytest.mark.parametrize(
    "metadata, message",
    [
        ({"fps": 3.0}, "`video_metadata` says what is known of frames, and the video .*h264.mp4.* is a file"),
        ([{"fps": 3.0}, {}], "Received 1 videos but 2 `video_metadata` entries; pass one entry per video"),
        ("3 fps", "`video_metadata` must be VideoMetadata, dict, .*, got str '3 fps'"),
    ],
    ids=["file", "two", "text"],
)
def test_metadata_of_a_file(processor, video, metadata, message):
    with pytest.raises(ValueError, match=message):
        processor.video_processor(video, video_metadata=metadata)
    with pytest.raises(ValueError, match="has the unknown key 'rate': it may have 'total_num_frames', 'fps'"):
        processor.video_processor(PIXELS, video_metadata={"rate": 3})
    features = processor.video_processor([video, PIXELS], video_metadata=[{}, {"fps": 3.0}], return_metadata=True)
    assert [metadata.fps for metadata in features["video_metadata"]] == [10.0, 3.0]


def test_columns_of_videos(processor, video, short_video):
    pandas = pytest.importorskip("pandas")
    expected = processor.video_processor([video, short_video], return_tensors="pt")
    noted = [{"bytes": None, "path": path} for path in (video, short_video)]
    for column in (
        np.array([video, short_video]),
        np.array([Path(video), open(short_video, "rb")], dtype=object),
        pandas.Series([video, short_video]),
        pandas.Series(noted),
    ):
        assert is_same(processor.video_processor(column, return_tensors="pt"), expected)


def test_columns_of_images(pipe, picture_file):
    pandas = pytest.importorskip("pandas")
    expected = pipe(text=WHAT, images=[PICTURE, PICTURE.rotate(180)])
    images = [{"bytes": Path(picture_file).read_bytes(), "path": None}, PICTURE.rotate(180)]
    assert pipe(text=pandas.Series([WHAT, WHAT]), images=pandas.Series(images)) == expected
    assert pipe(text=np.array([WHAT, WHAT]), images=images) == expected
    assert expected[0] != expected[1]


def test_frames_in_a_column_are_not_mistaken(pipe):
    frames = np.empty(2, dtype=object)
    frames[:] = [PIXELS, PIXELS[::-1]]
    assert pipe(frames, text=WHAT) == pipe([PIXELS, PIXELS[::-1]], text=WHAT)
    images = [Image.fromarray(frame) for frame in PIXELS]
    assert pipe({"video": images, "question": WHAT}) == pipe(PIXELS, text=WHAT)


def test_list_of_paths_in_the_place_of_one_video(processor, picture_file):
    part = film([picture_file, picture_file])
    with pytest.raises(
        ValueError, match="A list of paths in the place of one video is its frames.*Set `do_sample_frames=False`"
    ):
        encode(processor, part)
    frames = np.stack([np.array(PICTURE)] * 2)
    inputs = encode(processor, part, processor_kwargs={"do_sample_frames": False})
    assert is_same(inputs, encode(processor, film(frames), processor_kwargs={"do_sample_frames": False}))
