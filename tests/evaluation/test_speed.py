# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from tiny_families import write_mobilevlm, write_tinyllava
from transformers_mvgpt.chat import VideoChat
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.evaluation import batch_speed, speed
from transformers_mvgpt.evaluation.batch_speed import measure_batches
from transformers_mvgpt.evaluation.machine_limits import MachineLimits
from transformers_mvgpt.evaluation.speed import (
    TokenClock,
    copy_with_same_weights,
    first_token_calls,
    measure_speed,
    without_cuda_graphs,
)
from transformers_mvgpt.evaluation.speed_report import draw_speed, seconds_of, speed_table
from transformers_mvgpt.evaluation.visual_file import VisualFile, default_visual, modality_of


PARTS = {
    "decode": False,
    "preprocess": False,
    "image encoder": True,
    "frame scoring": True,
    "video encoder": True,
    "video encoder without scan": False,
    "projectors": True,
    "prefill": True,
    "first token": True,
    "file to first token": False,
    "second question": False,
    "decode step": True,
}  # and whether each has a roofline


@pytest.fixture(scope="module")
def small():
    return AutoModelForImageTextToText.from_pretrained(CHECKPOINT), AutoProcessor.from_pretrained(CHECKPOINT)


@pytest.fixture(scope="module")
def result(small):
    reported = []
    result = measure_speed(*small, str(CLIP), runs=1, num_new_tokens=4, batch_sizes=[1, 2], on_part=reported.append)
    assert reported == [*PARTS, "batches"]
    return result


def test_every_part_is_measured(result):
    assert [part["part"] for part in result["parts"]] == list(PARTS)
    assert {part["part"]: part["roofline_seconds"] is not None for part in result["parts"]} == PARTS
    assert all(
        part["ratio"] == part["seconds"] / part["roofline_seconds"] for part in result["parts"] if part["ratio"]
    )
    # not that it is above 1: on a machine that others share, the limits come and go
    measured = [part for part in result["parts"] if part["roofline_seconds"]]
    assert len(measured) >= 6
    assert all(part["ratio"] == pytest.approx(part["seconds"] / part["roofline_seconds"]) for part in measured)
    assert result["peak_memory_bytes"] > 1e8


def test_first_token_has_the_arithmetic_of_all_parts(result):
    rooflines = {part["part"]: part["roofline_seconds"] for part in result["parts"]}
    before = [rooflines[part] for part in list(PARTS)[2:8] if rooflines[part]]
    assert len(before) == 5
    assert rooflines["first token"] == pytest.approx(sum(before))


def test_second_question_is_quicker_than_the_first(result):
    assert seconds_of(result, "second question") < seconds_of(result, "first token")


def test_arithmetic_of_the_image_encoder(small, result):
    """16 frames of 36 patches of 8 x 8 and a class token, through the three layers that are read."""
    config = small[0].config.vision_config
    width, inner, length = config.hidden_size, config.intermediate_size, 37
    layer = 2 * length * (4 * width**2 + 2 * width * inner) + 2 * 2 * length**2 * width
    flops = 16 * (3 * layer + 2 * 36 * 3 * 8**2 * width)
    [roofline] = [part["roofline_seconds"] for part in result["parts"] if part["part"] == "image encoder"]
    assert roofline * result["limits"]["flops_per_second"] == pytest.approx(flops)


def test_batches(result):
    one, two = result["batches"]
    assert (one["batch_size"], two["batch_size"]) == (1, 2)
    for batch in (one, two):
        assert batch["first_token_seconds"] > 0
        assert batch["tokens_per_second"] > 0
        assert batch["reserved_memory_bytes"] is None


def test_rate_of_a_batch(small, monkeypatch):
    seconds = {3: 7.0, 1: 1.0}

    class Stub:
        device, config = torch.device("cpu"), small[0].config

        def generate(self, prompts, max_new_tokens, **options):
            self.called = prompts.shape, options["pixels"].shape, max_new_tokens

    stub = Stub()
    monkeypatch.setattr(batch_speed, "median_seconds", lambda call, *_, **__: (call(), seconds[stub.called[2]])[1])
    pixels = {"pixels": torch.zeros(1, 2, 3, 4, 4)}
    [batch] = measure_batches(stub, torch.zeros(1, 5, dtype=torch.long), pixels, [4], num_new_tokens=3)
    assert stub.called == ((4, 5), (4, 2, 3, 4, 4), 1)
    assert batch["first_token_seconds"] == 1
    assert batch["tokens_per_second"] == 4 * 2 / 6


@pytest.mark.parametrize("options", [{"batch_sizes": [1, 0]}, {"batch_sizes": [1], "num_new_tokens": 1}])
def test_too_small_batches_are_refused(small, options):
    with pytest.raises(
        ValueError, match=r"`batch_sizes` \(\[.*\]\) must be at least 1, and `num_new_tokens` \(\d+\) at"
    ):
        measure_batches(small[0], torch.zeros(1, 5), {}, **options)


def test_clock_keeps_the_time_between_tokens(monkeypatch):
    times = iter([10, 20, 23, 27, 30, 40, 45])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(times))
    clock = TokenClock()
    for length, num_tokens in ((5, 3), (2, 2)):
        clock.put(torch.zeros(1, length))
        for _ in range(num_tokens):
            clock.put(torch.zeros(1))
        clock.end()
    assert clock.seconds == [3, 4, 5]


def test_prompt_fits_the_model(small, result):
    model, processor = small
    prompt = VisualFile(model, processor, str(CLIP)).prompt()
    assert prompt.shape == (1, result["num_prompt_tokens"])
    assert (prompt == model.config.video_token_id).sum() == model.config.num_video_tokens
    assert processor.tokenizer.decode(prompt[0]).endswith(
        "What is happening in the video?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("options", [{"runs": 0}, {"num_new_tokens": 1}])
def test_too_few_are_refused(small, options):
    with pytest.raises(ValueError, match=r"`runs` \(\d\) must be at least 1, and `num_new_tokens` \(\d+\) at least 2"):
        measure_speed(*small, str(CLIP), **options)


def test_table_and_picture(result, tmp_path):
    first = seconds_of(result, "first token")
    baselines = {"older": {"seconds": 4 * first}, "other": {"seconds": 4 * first, "our_seconds": 2 * first}}
    table = speed_table({**result, "baselines": baselines})
    rows = [line.split(" | ") for line in table.splitlines()]
    assert [row[0].removeprefix("| ") for row in rows[2 : 2 + len(PARTS)]] == list(PARTS)
    assert "| first token | milliseconds | ours / theirs |" in table.splitlines()
    assert "| videos at once" in table and sum(row[0] in ("| 1", "| 2") for row in rows) == 2
    assert [(row[0], row[-1]) for row in rows[-2:]] == [("| older", "0.25 |"), ("| other", "0.50 |")]
    draw_speed({**result, "baselines": baselines}, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_table_of_baselines_says_what_they_got(result):
    theirs = {"seconds": 2.0, "our_seconds": 1.0, "our_eager_seconds": 3.0}
    inputs = {"num_prompt_tokens": 423, "frame_size": (224, 224)}
    found = {
        "older": {"seconds": 4.0, "our_seconds": 1.0},
        "one": {**theirs, **inputs, "compiled_seconds": 1.5, "slower_without": ["fla", "conv"]},
        "two": {**theirs, **inputs, "compiled_error": "no"},
    }
    table = speed_table({**result, "baselines": found, "left_out": {"three": "'three' needs timm"}})
    lines = table.splitlines()
    assert lines[lines.index("|---|---|---|---|---|---|---|") - 1 :] == [
        "| first token | frame | prompt | milliseconds | compiled | ours / theirs | ours without CUDA graphs / theirs |",
        "|---|---|---|---|---|---|---|",
        "| older |  |  | 4000 |  | 0.25 |  |",
        r"| one \* | 224 x 224 | 423 tokens | 2000 | 1500 | 0.50 | 1.50 |",
        "| two | 224 x 224 | 423 tokens | 2000 | fails | 0.50 | 1.50 |",
        "",
        r"\* transformers' own slower code: fla and conv not installed.",
        "",
        "Not measured: 'three' needs timm",
    ]


def test_copy_with_the_same_weights(small):
    """Also of a model that has answered, with what was kept of it."""
    model, processor = small
    [call] = first_token_calls(model, processor, str(CLIP)).values()
    expected = call()
    twin = copy_with_same_weights(model)
    assert all(own is not other for own, other in zip(model.modules(), twin.modules(), strict=True))
    tensors = [*model.parameters(), *model.buffers()], [*twin.parameters(), *twin.buffers()]
    assert all(own is other for own, other in zip(*tensors, strict=True))
    [call] = first_token_calls(twin, processor, str(CLIP)).values()
    assert torch.equal(call(), expected)


@pytest.mark.needs_cuda
def test_parts_on_a_gpu(small):
    """With and without CUDA graphs, from pixels and from the file; the model is left as it was, and its twin has no weights of its own."""
    model = AutoModelForImageTextToText.from_pretrained(CHECKPOINT).to("cuda")
    before = torch.cuda.memory_allocated()
    twin = without_cuda_graphs(model)
    assert twin is not model and torch.cuda.memory_allocated() == before
    assert all(ours is theirs for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True))
    result = measure_speed(model, small[1], str(CLIP), runs=1, num_new_tokens=4, batch_sizes=[1, 2])
    on_gpu = [
        "preprocess on the GPU",
        "first token, eager",
        "first token, CUDA graphs enabled",
        "file to first token, preprocessed on the GPU",
    ]
    assert [part["part"] for part in result["parts"] if part["part"] not in on_gpu] == list(PARTS)
    assert all(seconds_of(result, part) > 0 for part in on_gpu)
    assert [batch["batch_size"] for batch in result["batches"]] == [1, 2]
    calls = first_token_calls(model, small[1], str(CLIP))
    assert list(calls) == ["our_seconds", "our_eager_seconds"]
    assert torch.equal(calls["our_seconds"](), calls["our_eager_seconds"]())


def test_first_token_of_a_file(small):
    model, processor = small
    [(name, call)] = first_token_calls(model, processor, str(CLIP)).items()
    assert name == "our_seconds"
    tokens = call()
    visual = VisualFile(model, processor, str(CLIP))
    prompt = visual.prompt()
    assert tokens.shape == (1, prompt.shape[1] + 1)
    answer = processor.decode(tokens[0, prompt.shape[1] :])
    assert VideoChat(model, processor, str(CLIP)).ask(visual.question, max_new_tokens=1) == answer.strip()


PARTS_OF_FAMILIES = {
    write_mobilevlm: ("image encoder", "projector"),
    write_tinyllava: ("image encoder", "resampler"),
}


@pytest.mark.parametrize("write", PARTS_OF_FAMILIES, ids=["MobileVLM", "TinyLLaVA-Video"])
def test_parts_of_families(write, tmp_path, monkeypatch):
    """Of models that take images alone, or videos alone."""
    monkeypatch.setattr(speed, "LimitsMeter", QuickMeter)
    folder = write(tmp_path / "model")
    model, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    modality = modality_of(model)
    result = measure_speed(model, processor, default_visual(modality), runs=1, num_new_tokens=3, batch_sizes=[2])
    before, after = list(PARTS)[:2], list(PARTS)[7:]
    assert [part["part"] for part in result["parts"]] == [*before, *PARTS_OF_FAMILIES[write], *after]
    rooflines = {part["part"]: part["roofline_seconds"] for part in result["parts"]}
    encoding = sum(rooflines[part] for part in PARTS_OF_FAMILIES[write])
    assert rooflines["first token"] == pytest.approx(encoding + rooflines["prefill"])
    # all weights of the language model but the embeddings, with the head and what is cached
    body, text = model.model.language_model, model.config.text_config
    weights = count(body) - count(body.embed_tokens) + count(model.lm_head)
    cache = 2 * 2 * text.hidden_size * result["num_prompt_tokens"]
    assert rooflines["decode step"] == pytest.approx(4 * (weights + cache))
    [batch] = result["batches"]
    assert batch["first_token_seconds"] > 0


class QuickMeter:
    def __init__(self, *_):
        pass

    def sample(self):
        pass

    def limits(self):
        return MachineLimits(1.0, 1.0)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())
