# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A training run, from a recipe to a folder with the trained model."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import PrinterCallback, TrainerCallback, set_seed
from transformers.integrations import unset_hf_deepspeed_config

from ..conversion.loading import LoadedModel, load_model
from ..conversion.native_folder import check_written, write_native_folder
from .arguments import training_arguments
from .checkpoints import list_checkpoints
from .collator import DataCollator
from .data import InstructionDataset
from .loss_curve import LossCurve
from .output import CHECKPOINTS_FOLDER, claim_output, is_finished, write_whole
from .recipe import Recipe
from .stages import prepare_model
from .trainer import VisionLanguageTrainer


def run(recipe: Recipe, callbacks: Iterable[TrainerCallback] = ()) -> Path:
    """
    Trains as the recipe says. A run that was interrupted goes on from its last whole checkpoint, to the same weights as if it
    had not been; one that is finished is left as it is. Start it with `accelerate launch` to train on several processes.

    Args:
        recipe ([`Recipe`]): the recipe.
        callbacks (`Iterable[TrainerCallback]`): what else looks on, such as a progress bar.

    Returns:
        `Path`: the output folder. It holds a complete native model, or a LoRA adapter with its projectors and the processor;
        `recipe.yaml`, `loss.jsonl` and `loss.png`, `problems.jsonl` if there were any, and `checkpoints`.

    Raises:
        FileExistsError: if the output folder belongs to something else.
        FileNotFoundError: if the model, the data or, where it stops at that, a video or image is not there.
        ValueError: if data and stage do not fit, or, where it stops at that, a sample cannot be used.
        ImportError: if a package of the extra `train` is missing.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ImportError("Training needs accelerate: pip install 'transformers-mvgpt[train]'.") from error
    output = Path(recipe.output)
    checkpoints = output / CHECKPOINTS_FOLDER
    arguments = training_arguments(recipe, checkpoints)
    processes = PartialState()  # after the arguments, which say whether on the CPU
    if processes.is_main_process:
        claim_output(recipe)
    processes.wait_for_everyone()
    if is_finished(output):
        return output
    if recipe.stage == "instruction" and os.path.isfile(os.path.join(recipe.model, "adapter_config.json")):
        raise ValueError(f"{recipe.model} is a LoRA adapter: merge it first, `mvgpt merge {recipe.model} TARGET`.")
    dataset = _open_data(recipe, recipe.data)
    eval_dataset = None if recipe.eval_data is None else _open_data(recipe, recipe.eval_data)

    set_seed(recipe.seed)
    loaded = load_model(recipe.model, {}, dtype=torch.float32)
    config = loaded.model.config
    loaded.model.name_or_path = os.path.abspath(recipe.model) if os.path.isdir(recipe.model) else recipe.model
    model = prepare_model(loaded.model, recipe)
    num_frame_tokens = config.video_grid_size**2 if recipe.stage == "video_projector" else None
    trainer = VisionLanguageTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset=eval_dataset,
        data_collator=DataCollator(
            loaded.processor, recipe.max_length, num_frame_tokens, recipe.pad_images, on_unreadable="report"
        ),
        callbacks=[LossCurve(output), *callbacks],
        projector_learning_rate=recipe.projector_learning_rate,
        on_unreadable=recipe.on_unreadable,
        problems_folder=output,
    )
    trainer.remove_callback(PrinterCallback)

    whole, unfinished = list_checkpoints(checkpoints)
    processes.wait_for_everyone()
    if processes.is_main_process:
        for folder in unfinished:
            shutil.rmtree(folder)
    processes.wait_for_everyone()
    trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
    _write_model(trainer, loaded, output)
    return output


def _open_data(recipe: Recipe, data) -> InstructionDataset:
    dataset = InstructionDataset(data, recipe.media_folder)
    if recipe.stage == "instruction":
        return dataset
    misfits = (dataset.modalities != 1).nonzero()[0]
    if len(misfits):
        index = int(misfits[0])
        what = "a video" if dataset.modalities[index] else "no image"
        raise ValueError(
            f"The stage {recipe.stage!r} is trained on images with captions, but {dataset.describe(index)} has {what} "
            f"({len(misfits)} such samples): train on it in the stage 'instruction'."
        )
    return dataset


def _write_model(trainer: VisionLanguageTrainer, loaded: LoadedModel, output: Path) -> None:
    model = trainer.accelerator.unwrap_model(trainer.model)
    gathered = trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}  # ZeRO-3 gives it to one process alone
    state = {name: tensor.cpu() for name, tensor in gathered.items()}
    unset_hf_deepspeed_config()  # under ZeRO-3 all processes load a model together, but one alone checks what it wrote
    if trainer.is_world_process_zero():
        if hasattr(model, "peft_config"):

            def write(folder: Path) -> None:
                model.save_pretrained(folder, state_dict=state)
                loaded.processor.save_pretrained(folder)
        else:
            # a model that was sharded or on a GPU comes back with copies of what it shares, which must not be saved twice
            for copied, shared in model.all_tied_weights_keys.items():
                state[copied] = state[shared]

            def write(folder: Path) -> None:
                check_written(folder, loaded, write_native_folder(folder, loaded, state))

        write_whole(output, write)
    trainer.accelerator.wait_for_everyone()
