# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoProcessor

from piece_processors import llama_tokenizer
from transformers_mvgpt import MobileVLMConfig, MobileVLMImageProcessor, MobileVLMProcessor
from transformers_mvgpt.processing.processing_mobilevlm import CHAT_TEMPLATE_WITHOUT_BOS


SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
IMAGE_ID = 9000
NUM_TOKENS = 4
RED, GREEN, BLUE = (np.full((5, 6, 3), color, dtype=np.uint8) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255)))


def tiny_config():
    vision = {"hidden_size": 8, "num_attention_heads": 2, "image_size": 8, "patch_size": 2}
    return MobileVLMConfig(vision_config=vision, image_grid_size=2, image_token_id=IMAGE_ID)


@pytest.fixture(scope="module")
def processor():
    return MobileVLMProcessor.from_config(tiny_config(), llama_tokenizer())


def ask(text, *images):
    """A message of the user."""
    return {
        "role": "user",
        "content": [{"type": "text", "text": text}, *({"type": "image", "image": image} for image in images)],
    }


def answer(text):
    return {"role": "assistant", "content": text}


def test_sizes_are_the_configs(processor):
    assert (processor.num_image_tokens, processor.image_token_id) == (NUM_TOKENS, IMAGE_ID)
    assert processor.image_processor.size["shortest_edge"] == processor.image_processor.crop_size["width"] == 8
    published = MobileVLMProcessor.from_config(MobileVLMConfig(), llama_tokenizer())
    assert (published.num_image_tokens, published.image_token_id) == (144, 32000)
    assert published.image_processor.size["shortest_edge"] == 336


@pytest.mark.parametrize(
    ("chat", "prompt"),
    [
        ([ask("Is it red?")], f"{SYSTEM} USER: Is it red? ASSISTANT:"),
        ([ask("Is it red?", RED)], f"{SYSTEM} USER: <image>\nIs it red? ASSISTANT:"),
        ([ask("Alike?", RED, BLUE)], f"{SYSTEM} USER: <image>\n<image>\nAlike? ASSISTANT:"),
        (
            [ask("Is it red?", RED), answer("Yes."), ask("Sure?")],
            f"{SYSTEM} USER: <image>\nIs it red? ASSISTANT: Yes.</s>USER: Sure? ASSISTANT:",
        ),
        ([{"role": "system", "content": "Be brief."}, ask("Is it?", RED)], "Be brief. USER: <image>\nIs it? ASSISTANT:"),
    ],
    ids=["text", "image", "two images", "two turns", "system"],
)  # fmt: skip
def test_template(processor, chat, prompt):
    assert processor.apply_chat_template(chat, add_generation_prompt=True) == f"<s>{prompt}"


def test_template_of_a_finished_turn_and_of_one_to_continue(processor):
    chat = [ask("Is it red?"), answer("Yes")]
    assert processor.apply_chat_template(chat) == f"<s>{SYSTEM} USER: Is it red? ASSISTANT: Yes</s>"
    continued = processor.apply_chat_template(chat, continue_final_message=True)
    assert continued == f"<s>{SYSTEM} USER: Is it red? ASSISTANT: Yes"


def test_ids_are_those_of_pieces_tokenized_apart(processor):
    tokenizer = llama_tokenizer()
    before, after = f"{SYSTEM} USER: ", "\nIs it red? ASSISTANT:"
    first, second = (tokenizer(piece)["input_ids"] for piece in (before, after))
    assert first[0] == second[0] == tokenizer.bos_token_id
    expected = [*first, *[IMAGE_ID] * NUM_TOKENS, *second[1:]]
    options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}
    inputs = processor.apply_chat_template([ask("Is it red?", RED)], **options)
    assert inputs["input_ids"][0] == expected
    # trainers and servers that render the chat, or that leave special tokens out
    [rendered] = processor.apply_chat_template([[ask("Is it red?", RED)]], add_generation_prompt=True)
    without = {"add_special_tokens": False}
    inputs = processor.apply_chat_template([ask("Is it red?", RED)], **options, processor_kwargs=without)
    assert inputs["input_ids"][0] == expected
    for prompt in (rendered, f"{before}<image>{after}"):
        assert processor(text=prompt, images=RED)["input_ids"][0] == expected
    assert processor(text=rendered, images=RED, **without)["input_ids"][0] == expected
    batch = processor(text=[rendered, "Is it"], images=[[RED], []], **without)["input_ids"]
    assert batch == [expected, tokenizer("Is it", **without)["input_ids"]]


def test_template_of_a_tokenizer_without_bos():
    tokenizer = llama_tokenizer()
    tokenizer.add_bos_token = False
    processor = MobileVLMProcessor(image_processor=MobileVLMImageProcessor(), tokenizer=tokenizer)
    assert processor.chat_template == CHAT_TEMPLATE_WITHOUT_BOS
    chat = [ask("Is it red?")]
    assert processor.apply_chat_template(chat, add_generation_prompt=True).startswith("A chat")
    assert processor.apply_chat_template(chat, tokenize=True)[0] != tokenizer.bos_token_id


def test_assistant_mask_covers_the_answer_and_its_end(processor):
    options = {"tokenize": True, "return_dict": True, "return_assistant_tokens_mask": True}
    inputs = processor.apply_chat_template([ask("Is it red?", RED), answer("Is it")], **options)
    said = [id for id, is_said in zip(inputs["input_ids"][0], inputs["assistant_masks"][0], strict=True) if is_said]
    assert said == llama_tokenizer()("Is it</s>", add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("frames", [[RED, GREEN, BLUE], np.stack([RED, GREEN, BLUE])], ids=["list", "array"])
def test_several_images_behind_one_placeholder(processor, frames):
    options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = processor.apply_chat_template([ask("Is it red?", frames)], **options)
    assert inputs["input_ids"].eq(IMAGE_ID).sum() == 3 * NUM_TOKENS
    alone = [processor.image_processor(image, return_tensors="pt")["pixel_values"] for image in (RED, GREEN, BLUE)]
    assert torch.equal(inputs["pixel_values"], torch.cat(alone))
    chats = [[ask("Is it red?", frames)], [ask("Is it?", BLUE)], [ask("Is it?", RED, frames)]]
    batch = processor.apply_chat_template(chats, **options, padding=True)
    assert batch["input_ids"].eq(IMAGE_ID).sum(1).tolist() == [3 * NUM_TOKENS, NUM_TOKENS, 4 * NUM_TOKENS]
    assert batch["input_ids"][1, 0] == processor.tokenizer.pad_token_id
    assert len(batch["pixel_values"]) == 8


@pytest.mark.parametrize(
    ("text", "images", "counts"),
    [
        ("<image>", RED, [1]),
        (["<image>", "<image>"], [RED, BLUE], [1, 1]),
        (["<image>", "<image>"], [[RED], [BLUE]], [1, 1]),
        (["<image><image>", "A", "<image>"], [[RED, BLUE], [], [GREEN]], [2, 0, 1]),
        (["<image>", "<image>"], [[RED, BLUE], [GREEN]], [2, 1]),
        (["<image><image>", "A"], [[[RED, BLUE], GREEN], []], [3, 0]),
        ("<image><image>", [[RED, BLUE], GREEN], [3]),
    ],
    ids=str,
)
def test_which_images_belong_together(processor, text, images, counts):
    inputs = processor(text=text, images=images)
    assert [ids.count(IMAGE_ID) // NUM_TOKENS for ids in inputs["input_ids"]] == counts
    assert len(inputs["pixel_values"]) == sum(counts)


@pytest.mark.parametrize("images", [[RED, BLUE], [[RED], [BLUE]], [[RED, BLUE], [BLUE]]], ids=len)
def test_as_many_images_as_placeholders(processor, images):
    with pytest.raises(ValueError, match=r"Found total 1 <image> tokens and [23] images"):
        processor(text="USER: <image>", images=images)


@pytest.mark.parametrize("images", [[], [[]]], ids=str)
def test_empty_lists_are_refused(processor, images):
    with pytest.raises(ValueError, match="^No video or image was given: the list of them is empty."):
        processor(text=["USER: Is it red?"], images=images)


def test_saved_and_loaded(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    for loaded in (MobileVLMProcessor.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)):
        assert type(loaded) is MobileVLMProcessor
        assert type(loaded.image_processor) is MobileVLMImageProcessor
        options = {"text": "USER: <image>\nIs it red?", "images": RED, "return_tensors": "pt"}
        for name, values in processor(**options).items():
            assert torch.equal(loaded(**options)[name], values), name


def test_published_folder_without_processor_files(tmp_path):
    llama_tokenizer().save_pretrained(tmp_path)
    config = {
        "model_type": "mobilevlm", "mm_projector_type": "ldpnetv2", "vocab_size": 500,
        "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 16,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert type(loaded) is MobileVLMProcessor
    assert (loaded.num_image_tokens, loaded.image_token_id, loaded.tokenizer.padding_side) == (144, 500, "left")
    for backend, name in (("torchvision", "MobileVLMImageProcessor"), ("pil", "MobileVLMImageProcessorPil")):
        loaded.save_pretrained(tmp_path / "saved")
        assert type(AutoImageProcessor.from_pretrained(tmp_path / "saved", backend=backend)).__name__ == name


def test_tokenizer_without_padding_pads_with_the_unknown_token():
    tokenizer = llama_tokenizer()
    tokenizer.pad_token = None
    assert MobileVLMProcessor.from_config(tiny_config(), tokenizer).tokenizer.pad_token == "<unk>"


def test_files_of_images_are_read(processor, tmp_path):
    Image.fromarray(RED).save(tmp_path / "red.png")
    content = [{"type": "image", "path": str(tmp_path / "red.png")}, {"type": "text", "text": "Is it red?"}]
    options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = processor.apply_chat_template([{"role": "user", "content": content}], **options)
    assert torch.equal(inputs["pixel_values"], processor.image_processor(RED, return_tensors="pt")["pixel_values"])


def test_videos_are_refused_and_options_of_transformers_for_them_mean_nothing(processor):
    with pytest.raises(ValueError, match="A MobileVLMProcessor takes images, no videos"):
        processor(text="USER: Is it red?", videos=np.stack([RED, GREEN]))
    options = {"add_generation_prompt": True, "tokenize": True}
    ids = processor.apply_chat_template([ask("Is it red?", RED)], **options)
    # transformers' tests pass them for images too
    assert ids == processor.apply_chat_template(
        [ask("Is it red?", RED)], processor_kwargs={"num_frames": 2}, **options
    )
    with pytest.raises(ValueError, match="Unknown option 'start_seconds': it is an option for videos, and this model"):
        processor.apply_chat_template([ask("Is it red?", RED)], processor_kwargs={"start_seconds": 2}, **options)
