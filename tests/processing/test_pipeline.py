# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Options of the pipeline, selected frames, and other ways to the same answer."""

import pytest
import torch
from transformers import GenerationConfig, pipeline
from transformers.generation.streamers import BaseStreamer

from chats import PICTURE, PIXELS, WHAT, WHERE, answer, ask, film, generate_ids
from release_layout import VOCAB_SIZE
from transformers_mvgpt import VideoTextToTextPipeline


def test_answers_depend_on_video_and_question(answers):
    """Without that the other tests would show nothing."""
    assert len(set(answers.values())) == 4


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
    pipe = pipeline("video-text-to-text", model=pipe.model, processor=pipe.processor)
    given = pipe._prepare_generate_kwargs({})
    # before transformers 5.20 in a config
    assert given.get("max_new_tokens", getattr(given.get("generation_config"), "max_new_tokens", None)) == 1024
    given = pipe._prepare_generate_kwargs({"max_length": 30})
    assert given.get("max_new_tokens", getattr(given.get("generation_config"), "max_new_tokens", None)) is None
    assert given.get("max_length", getattr(given.get("generation_config"), "max_length", None)) == 30


def test_batches_are_padded_with_the_pad_token(pipe):
    prompts = {}

    def record(row, ids):
        prompts[row] = ids.tolist()
        return pipe.tokenizer("a").input_ids

    pipe(text=[WHAT, WHERE], batch_size=2, max_new_tokens=1, prefix_allowed_tokens_fn=record)
    num_padded = len(WHAT) - len(WHERE)  # a token is a byte
    assert prompts[1][:num_padded] == [pipe.tokenizer.pad_token_id] * num_padded
    assert pipe.tokenizer.pad_token_id not in prompts[0] + prompts[1][num_padded:]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_worker_processes(pipe, video, short_video, answers, batch_size):
    results = pipe([video, short_video], text=WHAT, num_workers=1, batch_size=batch_size)
    assert results == [[{"generated_text": answers[path, WHAT]}] for path in (video, short_video)]


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


def test_unknown_option(pipe, video):
    with pytest.raises(ValueError, match="Unknown argument 'max_tokens': use `max_new_tokens`"):
        pipe(video, text=WHAT, max_tokens=3)


def test_missing_file(pipe):
    with pytest.raises(FileNotFoundError, match="There is no video at 'missing.mp4'"):
        pipe("missing.mp4", text=WHAT)


@pytest.mark.parametrize("options", [{"num_frames": 8}, {"fps": 2}], ids=["number", "rate"])
def test_more_frames_than_the_model_takes(pipe, answers, video, options):
    with pytest.warns(UserWarning, match="The model takes at most 4 frames of a video: 4 of 8 are used"):
        assert pipe(video, text=WHAT, max_new_tokens=6, **options) == [{"generated_text": answers[video, WHAT]}]
