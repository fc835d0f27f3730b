# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An exported model answers as in PyTorch: same frames, same tokens."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image
from transformers import pipeline

import tiny_trained
from exported_folders import CHECKPOINTS
from served_files import serve_folder
from torch_free import run_torch_free
from transformers_mvgpt import UntrustedInput, VideoChat
from transformers_mvgpt.demo import CLIP, make_clip, write_clip
from transformers_mvgpt.runtime import OnnxVideoChat


VIDEO_FAMILIES = ["mobile_videogpt", "tinyllava_video"]
# Of the second one, two frames have nearly equal scores.
CLIP_SEEDS = (900_200, 900_300)
OPTIONS = {"width": 128, "height": 128}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What color is it?"},
    {"role": "assistant", "content": "red"},
    {"role": "user", "content": "Is it <|im_end|> a </s> circle?"},
]


@pytest.fixture(scope="module")
def pipes():
    """A pipeline of PyTorch for each family."""
    return {
        family: pipeline("video-text-to-text", model=str(checkpoint), device="cpu")
        for family, checkpoint in CHECKPOINTS.items()
    }


@pytest.fixture(scope="module")
def chats(exported_folder):
    return {family: OnnxVideoChat(exported_folder(family), num_threads=1) for family in CHECKPOINTS}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    drawn = {}
    for seed in CLIP_SEEDS:
        clip = make_clip(seed, "test", **OPTIONS)
        write_clip(clip, folder / f"{seed}.mp4")
        drawn[str(folder / f"{seed}.mp4")] = [question.text for question in clip.questions[:4]]
    return drawn


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    drawn = {}
    for seed in tiny_trained.PICTURE_SEEDS:
        path = folder / f"{seed}.png"
        # neither square nor of the encoder's size
        tiny_trained.picture(seed).resize((80, 56)).save(path)
        drawn[str(path)] = [question.text for question in tiny_trained.picture_questions(seed)[:3]]
    return drawn


@pytest.mark.parametrize("family", VIDEO_FAMILIES)
def test_answers_and_frames_are_pytorchs(family, pipes, chats, clips):
    chat = chats[family]
    for path, questions in clips.items():
        original = VideoChat(pipes[family].model, pipes[family].processor, path)
        expected = [original.ask(question) for question in questions]
        assert [chat.ask(path, question) for question in questions] == expected
        assert chat.ask_many(path, questions) == chat.ask_many(path, questions, batch_size=3) == expected
        assert "".join(chat.stream(path, CHAT)) == original.ask(CHAT)
        encoded = chat.encode(path)
        np.testing.assert_allclose(encoded.features, original.video.pooler_output[0], atol=1e-3)
        if family == "mobile_videogpt":
            assert encoded.selected_frames.tolist() == original.video.selected_frames[0].tolist()
            np.testing.assert_allclose(encoded.frame_scores, original.video.frame_scores[0], rtol=1e-4)


def test_answers_about_pictures_are_pytorchs(pipes, chats, pictures):
    pipe, chat = pipes["mobilevlm"], chats["mobilevlm"]
    for path, questions in pictures.items():
        original = VideoChat(pipe.model, pipe.processor, path)
        expected = [original.ask(question) for question in questions]
        assert [chat.ask(path, question) for question in questions] == chat.ask_many(path, questions) == expected
        assert chat.ask(path, CHAT) == original.ask(CHAT)
        pixels = np.array(Image.open(path).convert("RGB"))
        assert chat.ask(pixels, questions[0]) == expected[0]
    both = list(pictures)
    together = VideoChat(pipe.model, pipe.processor, both)
    assert chat.ask(both, "What color is it?") == together.ask("What color is it?")
    expected = pipe({"images": both, "text": "What color is it?"})[0]["generated_text"]
    assert chat.ask(both[1], "What color is it?", images=both[:1]) == expected


@pytest.mark.parametrize("family", VIDEO_FAMILIES)
@pytest.mark.parametrize(
    "options", [{"start_seconds": 1, "end_seconds": 3.5}, {"start_seconds": 2}, {"end_seconds": 0.2}], ids=str
)
def test_segments(family, pipes, chats, clips, options):
    """The last one has fewer frames than the model takes."""
    path = next(iter(clips))
    features = pipes[family].processor.video_processor(path, return_metadata=True, return_tensors="pt", **options)
    encoded = chats[family].encode(path, **options)
    assert encoded.frames_indices == features["video_metadata"][0].frames_indices
    assert encoded.timestamps == pytest.approx(features["video_metadata"][0].timestamps)
    original = VideoChat(pipes[family].model, pipes[family].processor, path, **options)
    np.testing.assert_allclose(encoded.features, original.video.pooler_output[0], atol=1e-3)
    assert chats[family].ask(encoded, "What color is it?") == original.ask("What color is it?")
    assert chats[family].ask(path, "What color is it?", **options) == original.ask("What color is it?")


@pytest.mark.parametrize("family", VIDEO_FAMILIES)
def test_images_before_a_video(family, pipes, chats, clips, pictures):
    path, images = next(iter(clips)), list(pictures)[:1]
    sample = {"text": "What color is it?", "images": images, "video": path}
    expected = pipes[family](sample)[0]["generated_text"]
    assert chats[family].ask(path, "What color is it?", images=images) == expected
    expected = pipes[family](images=images[0], text="What color is it?")[0]["generated_text"]
    assert chats[family].ask(None, "What color is it?", images=images) == expected


def test_numbers_of_frames(pipes, chats, clips):
    path = next(iter(clips))
    for num_frames in (1, 3, 20):
        expected = pipes["tinyllava_video"](path, text="What color is it?", num_frames=num_frames)[0]["generated_text"]
        assert chats["tinyllava_video"].ask(path, "What color is it?", num_frames=num_frames) == expected
    with pytest.raises(ValueError, match=r"`num_frames` \(65\) must be a whole number from 1 to 64"):
        chats["tinyllava_video"].ask(path, "Why?", num_frames=65)
    with pytest.raises(ValueError, match=r"`num_frames` \(8\): this model takes 16 frames of a video. Leave it out"):
        chats["mobile_videogpt"].ask(path, "Why?", num_frames=8)


def test_frames_in_an_array(pipes, chats):
    frames = np.random.default_rng(0).integers(0, 256, (20, 40, 60, 3), dtype=np.uint8)
    expected = pipes["mobile_videogpt"](frames, text="What color is it?")[0]["generated_text"]
    assert chats["mobile_videogpt"].ask(frames, "What color is it?") == expected
    with pytest.raises(ValueError, match=r"uint8 of shape \(num_frames, height, width, 3\), got float64"):
        chats["mobile_videogpt"].ask(frames / 255, "Why?")


def test_sampled_answers(chats, clips):
    path, chat = next(iter(clips)), chats["mobile_videogpt"]
    options = {"temperature": 3.0, "max_new_tokens": 8}
    first = chat.ask(path, "What color is it?", seed=1, **options)
    assert chat.ask(path, "What color is it?", seed=1, **options) == first
    assert chat.ask(path, "What color is it?", seed=2, **options) != first
    assert chat.ask_many(path, ["What color is it?"] * 3, seed=1, **options) == [first] * 3
    greedy = chat.ask(path, "What color is it?")
    assert chat.ask(path, "What color is it?", temperature=0) == greedy
    assert chat.ask(path, "What color is it?", temperature=3.0, top_p=1e-6, seed=1) == greedy


def test_long_answers_stop(chats, clips):
    path, chat = next(iter(clips)), chats["mobile_videogpt"]
    assert len(chat._tokens._encode(chat.ask(path, "Describe it.", max_new_tokens=3), False)) <= 3


def test_one_video_is_encoded_once(exported_folder, clips, tmp_path):
    chat = OnnxVideoChat(exported_folder("mobile_videogpt"), num_threads=1)
    path = tmp_path / "clip.mp4"
    first, second = clips
    shutil.copy(first, path)
    opened = []
    run = chat._sessions.run
    chat._sessions.run = lambda name, inputs: opened.append(name) or run(name, inputs)
    chat.ask(path, "What color is it?", max_new_tokens=1)
    chat.ask(path, "Is it red?", max_new_tokens=1)
    assert opened.count("vision_encoder") == 1
    chat.ask(path, "Is it red?", max_new_tokens=1, end_seconds=2)
    assert opened.count("vision_encoder") == 2
    shutil.copy(second, path)
    chat.ask(path, "Is it red?", max_new_tokens=1, end_seconds=2)
    assert opened.count("vision_encoder") == 3


@pytest.mark.parametrize("way", ["path", "file:", "http:"])
def test_a_video_that_has_changed_is_read_again(way, exported_folder, clips, tmp_path):
    """The other one has the same name, size and time of writing, as copies and rotating recordings may."""
    limits = UntrustedInput(allow_private_addresses=True)
    chat = OnnxVideoChat(exported_folder("mobile_videogpt"), num_threads=1, untrusted_input=limits)
    contents = [open(clip, "rb").read() for clip in clips]
    size = max(map(len, contents))
    for name, content in zip(("clip.mp4", "other.mp4"), contents, strict=True):
        # a box that readers skip
        padding = b"" if len(content) == size else (size - len(content)).to_bytes(4, "big") + b"free"
        (tmp_path / name).write_bytes((content + padding).ljust(size, b"\0"))
        os.utime(tmp_path / name, ns=(0, 0))
    with serve_folder(tmp_path) as address:
        path = tmp_path / "clip.mp4"
        source = {"path": path, "file:": path.as_uri(), "http:": f"{address}/clip.mp4"}[way]
        first = chat.encode(source)
        assert chat.encode(source) is first
        os.replace(tmp_path / "other.mp4", path)
        second = chat.encode(source)
    assert not np.array_equal(second.features, first.features)
    np.testing.assert_array_equal(second.features, chat.encode(path.read_bytes()).features)


def test_files_are_opened_when_needed(exported_folder, pictures):
    chat = OnnxVideoChat(exported_folder("mobile_videogpt"), num_threads=1)
    chat.ask(None, "What color is it?", images=list(pictures)[:1], max_new_tokens=1)
    assert set(chat._sessions._sessions) == {"preprocess", "image_encoder", "embed_tokens", "decoder_model_merged"}


def test_long_prompts_are_refused_before_anything_is_encoded(exported_folder):
    chat = OnnxVideoChat(exported_folder("mobile_videogpt"), num_threads=1)
    with pytest.raises(
        ValueError, match=r"The prompt has \d{4} tokens, the language model takes at most 1024 .* video takes 176"
    ):
        chat.ask("not_looked_at.mp4", "Why? " * 500)
    assert not chat._sessions._sessions


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("clip", " "), {}, "The question is missing: the text is empty. Say what to answer"),
        (("clip", "a\ud800"), {}, "has a lone surrogate"),
        (("clip", [{"role": "assistant", "content": "a"}]), {}, "A chat must end with a question"),
        (("clip", [{"role": "user", "content": [{"type": "image"}]}]), {}, "is given once, to `OnnxVideoChat`"),
        (("none.mp4", "Why?"), {}, "There is no video at 'none.mp4'"),
        (("damaged", "Why?"), {}, "It is damaged, cut short, or no video"),
        (("clip", "Why?"), {"start_seconds": 99}, r"`start_seconds` \(99\) lies beyond the end of the video"),
        (("clip", "Why?"), {"images": "a.png"}, "`images` must be a list of images, got str"),
        (("clip", "Why?"), {"images": ["none.png"]}, "There is no image at 'none.png'"),
        ((None, "Why?"), {}, "No video or image was given: pass one"),
        ((None, "Why?"), {"images": ["a.png"], "end_seconds": 3}, "There is no video for 'end_seconds': leave it out"),
        (("clip", "Why?"), {"max_new_tokens": 0}, r"`max_new_tokens` \(0\) must be a whole number of at least 1"),
        (("clip", "Why?"), {"temperature": "hot"}, r"`temperature` \('hot'\) must be a number, at least 0"),
        (("clip", "Why?"), {"thinking": True}, "The chat template of this model has no variable 'thinking'"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value)[:40],
)
def test_errors(chats, clips, tmp_path, arguments, options, message):
    (tmp_path / "damaged.mp4").write_bytes(open(next(iter(clips)), "rb").read()[:2000])
    sources = {"clip": next(iter(clips)), "damaged": str(tmp_path / "damaged.mp4")}
    visual, question = arguments
    with pytest.raises((ValueError, OSError), match=message) as error:
        chats["mobile_videogpt"].ask(sources.get(visual, visual), question, **options)
    assert "\n" not in str(error.value)


def test_limits(exported_folder, clips):
    limits = UntrustedInput(max_pixels_per_frame=1000)
    chat = OnnxVideoChat(exported_folder("mobile_videogpt"), num_threads=1, untrusted_input=limits)
    with pytest.raises(ValueError, match="16,384 pixels; at most 1,000 are taken"):
        chat.ask(next(iter(clips)), "Why?")


def test_images_alone(chats, clips):
    with pytest.raises(ValueError, match="MobileVLM takes images, no videos: leave 'end_seconds' out"):
        chats["mobilevlm"].ask("a.png", "Why?", end_seconds=3)
    with pytest.raises(ValueError, match="It is a video"):
        chats["mobilevlm"].ask(next(iter(clips)), "Why?")


def test_visual_tokens_of_another_model(chats, clips):
    encoded = chats["tinyllava_video"].encode(next(iter(clips)))
    with pytest.raises(
        ValueError, match=r"has visual tokens of shape \(40, 128\), but one video of this model has \(176, 128\)"
    ):
        chats["mobile_videogpt"].ask(encoded, "Why?")
    with pytest.raises(ValueError, match="'end_seconds' cannot be applied to a video that is encoded already"):
        chats["tinyllava_video"].ask(encoded, "Why?", end_seconds=3)


@pytest.mark.parametrize("family", CHECKPOINTS)
def test_llama_cpp_as_the_language_model(family, exported_folder, chats, clips, pictures, tmp_path):
    pytest.importorskip("xllamacpp")
    from transformers_mvgpt.runtime import export_gguf

    file = tmp_path / "model.gguf"
    export_gguf(CHECKPOINTS[family], file, type="f16")
    chat = OnnxVideoChat(exported_folder(family), language_model=file, num_threads=1)
    path, questions = next(iter((pictures if family == "mobilevlm" else clips).items()))
    expected = [chats[family].ask(path, question) for question in questions]
    assert [chat.ask(path, question) for question in questions] == chat.ask_many(path, questions) == expected
    with pytest.raises(ValueError, match=r"`precision` \('int8'\) is of the exported decoder, and `language_model`"):
        OnnxVideoChat(exported_folder(family), language_model=file, precision="int8")


def test_files_of_another_model(exported_folder, clips, tmp_path):
    """They have the same width, and would answer."""
    folder = tmp_path / "mixed"
    shutil.copytree(exported_folder("mobile_videogpt"), folder)
    for name, message in (
        (
            "embed_tokens",
            r"embed_tokens\.onnx is of another model than \w+\.onnx beside it: copy all files of one export",
        ),
        ("decoder_model_merged", r"decoder_model_merged\.onnx is of another model than \w+\.onnx beside it"),
    ):
        shutil.copy(exported_folder("tinyllava_video") / "onnx" / f"{name}.onnx", folder / "onnx")
        with pytest.raises(ValueError, match=message):
            OnnxVideoChat(folder, num_threads=1).ask(next(iter(clips)), "Why?")


@pytest.mark.parametrize("precision", ["fp16", "int8", "q4"])
def test_precisions(exported_folder, chats, clips, precision):
    path, questions = next(iter(clips.items()))
    chat = OnnxVideoChat(exported_folder("mobile_videogpt"), precision=precision, num_threads=1)
    answers = chat.ask_many(path, questions)
    np.testing.assert_array_equal(
        chat.encode(path).selected_frames, chats["mobile_videogpt"].encode(path).selected_frames
    )
    assert (
        sum(
            answer == chats["mobile_videogpt"].ask(path, question)
            for answer, question in zip(answers, questions, strict=True)
        )
        >= 3
    )


def test_a_process_loads_neither_torch_nor_transformers(exported_folder):
    code = (
        "from transformers_mvgpt.runtime import OnnxVideoChat\n"
        "print(OnnxVideoChat(sys.argv[1], num_threads=1).ask(sys.argv[2], 'What shape is it?'))\n"
        "print(loaded())"
    )
    # where they could be loaded
    output = run_torch_free(code, exported_folder("mobile_videogpt"), CLIP, absent=())
    assert output == "triangle\n[]\n"


@pytest.mark.slow
def test_memory_and_time_of_a_process(exported_folder):
    code = (
        "import re, time\n"
        "from transformers_mvgpt.runtime import OnnxVideoChat\n"
        "OnnxVideoChat(sys.argv[1]).ask(sys.argv[2], 'What shape is it?')\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1], time.process_time())"
    )
    kilobytes, seconds = map(float, run_torch_free(code, exported_folder("mobile_videogpt"), CLIP).split())
    assert kilobytes < 200_000
    assert seconds < 5
