# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What gradients reach, and the usual ways to train."""

import pytest
import torch
from transformers import Trainer, TrainingArguments

from checkpointing import enable_checkpointing
from tiny_models import make_sample, tiny_config, tiny_model
from transformers_mvgpt.compat.checkpointing_name import CHECKPOINTING


SAMPLE = make_sample(5, "video:a", 6, "image:i", 7, 8)
LABELS = SAMPLE["input_ids"].masked_fill(SAMPLE["input_ids"] >= 97, -100)

# The last layer of the image encoder, its norm, and the head that VideoMamba was pre-trained with.
UNREAD = (
    "model.vision_tower.encoder.layers.2.",
    "model.vision_tower.post_layernorm.",
    "model.video_tower.clip_decoder.",
)


class Samples(torch.utils.data.Dataset):
    """Samples of one prompt each, some with a video, some with an image, some with neither."""

    PARTS = [(5, "video:a", 6, 7), (5, 6, 7, 8), (5, "image:i", 7, 8), ("video:b", "image:j", 5, 6)]

    def __len__(self):
        return len(self.PARTS)

    def __getitem__(self, index):
        sample = make_sample(*self.PARTS[index])
        return {**sample, "labels": sample["input_ids"].masked_fill(sample["input_ids"] >= 97, -100)}


def make_trainer(model, folder, **options):
    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=1,
        per_device_eval_batch_size=1,
        learning_rate=1e-2,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        save_strategy="no",
        **options,
    )
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=Samples(),
        eval_dataset=Samples(),
        data_collator=lambda samples: samples[0],
        compute_metrics=lambda prediction: {"shape": list(prediction.predictions.shape)},
    )


def loss_and_grads(model):
    loss = model(**SAMPLE, labels=LABELS).loss
    loss.backward()
    return loss, {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_gradients_reach_all_that_is_read():
    model = tiny_model().train()
    _, grads = loss_and_grads(model)
    for name, parameter in model.named_parameters():
        is_read = not name.startswith(UNREAD)
        assert parameter.requires_grad == is_read, name
        assert (name in grads) == is_read, name
        assert not is_read or grads[name].abs().max() > 0, name


def test_all_layers_are_trainable_if_the_last_is_the_feature_layer():
    model = tiny_model(tiny_config(vision_feature_layer=-1))
    assert all(parameter.requires_grad for parameter in model.model.vision_tower.encoder.parameters())


@pytest.mark.parametrize("activation_checkpointing", [False, True])
def test_gradients_do_not_run_through_frozen_encoders(activation_checkpointing):
    model = tiny_model().train()
    encoders = (model.model.vision_tower, model.model.video_tower)
    if activation_checkpointing:
        enable_checkpointing(model)
    is_recorded = []
    for encoder in encoders:
        encoder.requires_grad_(False)
        encoder.get_submodule("encoder.layers.0" if encoder is encoders[0] else "layers.0").register_forward_hook(
            lambda module, args, output: is_recorded.append(output.requires_grad)
        )
    _, grads = loss_and_grads(model)
    assert is_recorded == [False] * 3
    parts = {name.removeprefix("model.").partition(".")[0] for name in grads}
    assert parts == {"image_projector", "video_projector", "language_model", "lm_head"}


def test_gradients_reach_the_pixels_through_frozen_encoders():
    model = tiny_model().requires_grad_(False)
    pixels = {name: value.clone().requires_grad_() for name, value in SAMPLE.items() if name != "input_ids"}
    model(SAMPLE["input_ids"], **pixels, labels=LABELS).loss.backward()
    for name, value in pixels.items():
        assert value.grad.abs().max() > 0, name


@pytest.mark.parametrize("use_reentrant", [True, False], ids=["reentrant", "not reentrant"])
def test_gradient_checkpointing_changes_nothing_but_memory(use_reentrant):
    plain_loss, plain_grads = loss_and_grads(tiny_model().train())
    model = tiny_model().train()
    enable_checkpointing(model, use_reentrant=use_reentrant)
    blocks = (
        model.model.vision_tower.encoder.layers[0].self_attn,
        model.model.video_tower.layers[0].mixer,
        model.model.language_model.layers[0].self_attn,
    )
    calls = []
    for block in blocks:
        block.register_forward_pre_hook(lambda module, _: calls.append(module))
    loss, grads = loss_and_grads(model)
    # the image encoder sees the video's frames and then the image
    assert [calls.count(block) for block in blocks] == [4, 2, 2]
    torch.testing.assert_close(loss, plain_loss)
    assert grads.keys() == plain_grads.keys()
    for name, grad in plain_grads.items():
        torch.testing.assert_close(grads[name], grad, msg=name)


@pytest.mark.parametrize("activation_checkpointing", [False, True])
def test_trainer_trains_all_that_is_read(activation_checkpointing, tmp_path):
    pytest.importorskip("accelerate")
    model = tiny_model()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    make_trainer(model, tmp_path, max_steps=4, **{CHECKPOINTING: activation_checkpointing}).train()
    unchanged = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    assert unchanged == {name for name in before if name.startswith(UNREAD)}


def test_trainer_evaluates_samples_with_different_visuals(tmp_path):
    pytest.importorskip("accelerate")
    metrics = make_trainer(tiny_model(), tmp_path).evaluate()
    lengths = [sample["input_ids"].shape[1] for sample in Samples()]
    assert metrics["eval_shape"] == [4, max(lengths), 99]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft uses it
def test_lora_on_the_language_model(tmp_path):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(
        r=4,
        target_modules=r"model\.language_model\..*_proj",
        modules_to_save=["image_projector", "video_projector"],
        init_lora_weights=False,  # so that it changes something without training
    )
    model = peft.get_peft_model(tiny_model(), config)
    model(**SAMPLE, labels=LABELS).loss.backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all("language_model" in name or "_projector.modules_to_save" in name for name in trained)
    assert sum("lora_A" in name for name in trained) == 2 * 7
    assert all(parameter.grad is not None for name, parameter in model.named_parameters() if name in trained)

    generated = model.generate(**SAMPLE, max_new_tokens=4)
    assert not torch.equal(generated, tiny_model().generate(**SAMPLE, max_new_tokens=4))
    model.save_pretrained(tmp_path)
    loaded = peft.PeftModel.from_pretrained(tiny_model(), tmp_path)
    logits = model.eval()(**SAMPLE).logits
    torch.testing.assert_close(loaded(**SAMPLE).logits, logits)
    torch.testing.assert_close(loaded.merge_and_unload()(**SAMPLE).logits, logits, rtol=1e-4, atol=1e-4)
