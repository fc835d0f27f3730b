# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The driver of exported models makes the processors' tokens of chats, and their text of answers."""

import random

import pytest

from driver_folders import write_driver_folder
from exported_folders import CHECKPOINTS
from transformers_mvgpt.families import FAMILIES
from transformers_mvgpt.processing.visual_questions import place_visuals
from transformers_mvgpt.runtime import onnx_folder
from transformers_mvgpt.runtime.onnx_folder import ExportedFolder
from transformers_mvgpt.runtime.prompt_tokens import AnswerStream, PromptTokens


PIECES = (
    *(
        "Is it red?",
        " What ",
        "é",
        "日本語",
        "👍🏽",
        "\n",
        "  ",
        "\t",
        ".",
        "\u0301e",
        "ﬁ",
        "\u200b",
        "{{ x }}",
        "USER:",
        "ASSISTANT:",
    ),
    *(
        "<|im_end|>",
        "<|endoftext|>",
        "<image>",
        "<|video_pad|>",
        "<|image_pad|>",
        "</s>",
        "<s>",
        "<unk>",
        "<|im_",
        "end|>",
    ),
)


@pytest.fixture(scope="module", params=CHECKPOINTS)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def processor_and_tokens(family, tmp_path_factory):
    folder = tmp_path_factory.mktemp(family)
    processor = write_driver_folder(family, folder)
    return processor, PromptTokens(ExportedFolder(folder))


def make_text(dice: random.Random) -> str:
    return "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 6)))


def make_chat(dice: random.Random) -> list[dict[str, str]]:
    chat = [{"role": "system", "content": make_text(dice)}] if dice.random() < 0.3 else []
    for _ in range(dice.randint(0, 2)):
        chat += [{"role": "user", "content": make_text(dice)}, {"role": "assistant", "content": make_text(dice)}]
    return [*chat, {"role": "user", "content": f"{make_text(dice)}?"}]


def test_every_family_is_known():
    assert onnx_folder.FAMILIES.keys() == {family.model_type for family in FAMILIES}


def test_families_are_as_their_processors(family):
    known = onnx_folder.FAMILIES[family]
    [original] = [one for one in FAMILIES if one.model_type == family]
    for name in ("placeholders", "splits_at_placeholders", "answer_prefix"):
        assert getattr(known, name) == getattr(original.processor_class, name)
    video_processor_class = original.video_processor_class
    assert known.name == original.name
    assert known.fills_up == getattr(video_processor_class, "fills_up", False)
    assert known.default_num_frames == getattr(video_processor_class, "num_frames", None)
    assert known.selects_frames == hasattr(original.config_class(), "num_selected_frames")


@pytest.mark.parametrize("seed", range(40))
def test_tokens_of_chats(family, processor_and_tokens, seed):
    processor, tokens = processor_and_tokens
    dice = random.Random(seed)
    modality = "video" if "video" in processor.placeholders else "image"
    num_visuals = dice.randint(1, 3) if family == "mobilevlm" else 1
    size = getattr(processor, f"num_{modality}_tokens") * num_visuals
    variables = {"think": True} if family == "tinyllava_video" and seed % 3 == 0 else {}
    chat = place_visuals(make_chat(dice), [modality], "VideoChat")
    expected = processor.encode_chat(chat, num_tokens={modality: size}, **variables)
    assert tokens.encode_chat(chat, {modality: [size]}, variables) == expected
    assert expected.count(tokens.placeholder_ids[modality]) == size


def test_tokens_of_several_visuals(family, processor_and_tokens):
    processor, tokens = processor_and_tokens
    kinds = ["image", "image"] if family == "mobilevlm" else ["image", "video"]
    chat = place_visuals("Which one is <|im_end|> red?</s>", kinds, "OnnxVideoChat")
    sizes = {
        modality: [getattr(processor, f"num_{modality}_tokens")]
        * sum(modality in (kind, "video" if family == "tinyllava_video" else "") for kind in kinds)
        for modality in processor.placeholders
    }
    prompt = processor.apply_chat_template(
        place_visuals("Which one is # red?", kinds, "OnnxVideoChat"), add_generation_prompt=True
    )
    for modality, token in processor.placeholders.items():
        prompt = prompt.replace(token, token * getattr(processor, f"num_{modality}_tokens"))
    bos = processor.tokenizer.bos_token
    plain = processor._of_prompts(processor.tokenizer)(
        prompt, add_special_tokens=bos is None or not prompt.startswith(bos)
    )["input_ids"]
    assert tokens.encode_chat(place_visuals("Which one is # red?", kinds, "OnnxVideoChat"), sizes, {}) == plain
    placeholders = list(tokens.placeholder_ids.values())
    assert [index for index in tokens.encode_chat(chat, sizes, {}) if index in placeholders] == [
        index for index in plain if index in placeholders
    ]


def test_streamed_text_is_the_decoded_one(processor_and_tokens):
    processor, tokens = processor_and_tokens
    dice = random.Random(0)
    size = len(processor.tokenizer)
    for number in range(200):
        ids = [dice.randrange(size) for _ in range(dice.randint(0, 25))]
        if number % 2:
            ids = processor.tokenizer(make_text(dice), add_special_tokens=False)["input_ids"]
        stream = AnswerStream(tokens)
        pieces = [stream.put(index) for index in ids]
        [expected] = processor.decode_answers([ids], skip_special_tokens=True)
        assert "".join(pieces) + stream.finish() == expected == tokens.decode_answer(ids)


def test_no_piece_has_half_a_character(processor_and_tokens):
    processor, tokens = processor_and_tokens
    stream = AnswerStream(tokens)
    ids = processor.tokenizer("Ein Bär 👍🏽 日本", add_special_tokens=False)["input_ids"]
    pieces = [stream.put(index) for index in ids]
    assert len(ids) > len("Ein Bär 👍🏽 日本")  # characters of several tokens
    assert not any("\ufffd" in piece for piece in pieces)
    assert sum(map(bool, pieces)) > 3


def test_unknown_variable(processor_and_tokens):
    with pytest.raises(ValueError, match="The chat template of this model has no variable 'thinking': leave it out"):
        processor_and_tokens[1].check_variables({"thinking": True})
