# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A training run, from a recipe to a folder with the trained model."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainingArguments, set_seed
from transformers.integrations import unset_hf_deepspeed_config
from transformers.trainer_callback import PrinterCallback, TrainerCallback

from ..compat.safetensors_files import full_disk_is_named, usual_file_mode
from ..conversion.loading import LoadedModel, load_model
from ..conversion.native_folder import check_written, write_native_folder
from ..families import family_of
from ..video.limits import UntrustedInput
from .arguments import training_arguments
from .chat_encoding import visual_kinds
from .checkpoints import list_checkpoints
from .collator import DataCollator
from .data import MODALITIES, InstructionDataset
from .images_as_video_mvgpt import num_frame_tokens
from .loss_curve import LossCurve
from .output import CHECKPOINTS_FOLDER, claimed_output, is_finished, write_whole
from .recipe import Recipe
from .requirements import check_packages
from .stage_records import LANGUAGE_MODEL_STAGE_NAMES, Stage
from .stages import find_stage, prepare_model
from .stop_signals import StopSignals, TrainingStopped
from .trainer import VisionLanguageTrainer


def run(
    recipe: Recipe, callbacks: Iterable[TrainerCallback] = (), untrusted_input: UntrustedInput | None = None
) -> Path:
    """
    Trains as the recipe says. A run that was interrupted goes on from its last whole checkpoint, to the same weights as if it
    had not been; one that is finished is left as it is. Start it with `accelerate launch` to train on several processes.

    While it runs, Ctrl-C and SIGTERM stop it after the step, with a checkpoint; a second one ends the process at once.

    Args:
        recipe ([`Recipe`]): the recipe.
        callbacks (`Iterable[TrainerCallback]`): what else looks on, such as a progress bar.
        untrusted_input ([`UntrustedInput`], *optional*): how much is taken of the videos and images.

    Returns:
        `Path`: the output folder. It holds a complete native model, or a LoRA adapter with its projectors and the processor;
        `recipe.yaml`, `loss.jsonl` and `loss.png`, `problems.jsonl` if there were any, and `checkpoints`.

    Raises:
        FileExistsError: if the output folder belongs to something else, or another run writes to it.
        FileNotFoundError: if the model, the data or, where it stops at that, a video or image is not there.
        ValueError: if data and stage do not fit, or, where it stops at that, a sample cannot be used.
        DivergedError: a `ValueError`, if the loss, the gradients or the weights are no longer finite; no model is written.
        ImportError: if a package of the extra `train` is missing.
        TrainingStopped: a `KeyboardInterrupt`, after Ctrl-C or SIGTERM; it says which checkpoint there is.
    """
    check_packages(recipe)
    from accelerate import PartialState

    with StopSignals() as signals:
        arguments = training_arguments(recipe, Path(recipe.output) / CHECKPOINTS_FOLDER)
        processes = PartialState()  # after the arguments, which say whether on the CPU
        with claimed_output(recipe, processes.is_main_process) as output:
            processes.wait_for_everyone()
            if not is_finished(output):
                _train(recipe, output, arguments, processes, callbacks, signals, untrusted_input)
    return output


def _train(
    recipe: Recipe,
    output: Path,
    arguments: TrainingArguments,
    processes: Any,
    callbacks: Iterable[TrainerCallback],
    signals: StopSignals,
    untrusted_input: UntrustedInput | None,
) -> None:
    checkpoints = output / CHECKPOINTS_FOLDER
    trains_language_model = recipe.stage in LANGUAGE_MODEL_STAGE_NAMES
    if trains_language_model and os.path.isfile(os.path.join(recipe.model, "adapter_config.json")):
        raise ValueError(f"{recipe.model} is a LoRA adapter: merge it first, `mvgpt merge {recipe.model} TARGET`.")
    dataset = InstructionDataset(recipe.data, recipe.media_folder, recipe.media_anywhere)
    eval_dataset = None
    if recipe.eval_data is not None:
        eval_dataset = InstructionDataset(recipe.eval_data, recipe.media_folder, recipe.media_anywhere)

    set_seed(recipe.seed)
    loaded = load_model(recipe.model, {}, dtype=torch.float32)
    config = loaded.model.config
    family = family_of(config)
    stage = find_stage(family, recipe.stage)
    for data in (dataset, eval_dataset):
        if data is not None:
            _check_visuals(data, stage, visual_kinds(loaded.processor), family.name)
    loaded.model.name_or_path = os.path.abspath(recipe.model) if os.path.isdir(recipe.model) else recipe.model
    if untrusted_input is not None:
        loaded.processor.untrusted_input = untrusted_input
    model = prepare_model(loaded.model, recipe)
    trainer = VisionLanguageTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset=eval_dataset,
        data_collator=DataCollator(
            loaded.processor,
            recipe.max_length,
            num_frame_tokens(config) if stage.images_as_video else None,
            recipe.pad_images,
            on_unreadable="report",
            text=stage.text,
        ),
        callbacks=[LossCurve(output), *callbacks],
        projector_learning_rate=recipe.projector_learning_rate,
        on_unreadable=recipe.on_unreadable,
        problems_folder=output,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(signals)  # the last: when a checkpoint is written, the others still get to know of it

    whole, unfinished = list_checkpoints(checkpoints)
    processes.wait_for_everyone()
    if processes.is_main_process:
        for folder in unfinished:
            shutil.rmtree(folder)
    processes.wait_for_everyone()
    try:
        trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
    except Exception:
        # a signal to all processes also ends those that load data
        if signals.received is None:
            raise
        _stop(trainer, checkpoints, signals.received)
    except TrainingStopped as stopped:
        _stop(trainer, checkpoints, stopped.signal_number)
    _write_model(trainer, loaded, output)


def _stop(trainer: VisionLanguageTrainer, checkpoints: Path, signal_number: int) -> None:
    """
    Raises:
        TrainingStopped: when there is a checkpoint of the last step.
    """
    step = trainer.state.global_step
    whole, _ = list_checkpoints(checkpoints)
    if step and (not whole or whole[-1].name != f"checkpoint-{step}") and trainer.args.world_size == 1:
        trainer._save_checkpoint(trainer.model_wrapped, None)
        whole, _ = list_checkpoints(checkpoints)
    trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
    if not whole:
        raise TrainingStopped("Stopped before the first step, so that there is no checkpoint.", signal_number)
    raise TrainingStopped(
        f"Stopped after step {step} of {trainer.state.max_steps}. The same command again goes on from {whole[-1]}.",
        signal_number,
    )


def _check_visuals(dataset: InstructionDataset, stage: Stage, kinds: tuple[str, ...], family_name: str) -> None:
    """
    Raises:
        ValueError: if samples have a visual that the model does not take (it takes those of `kinds`), or that the stage does not show.
    """

    def refuse(is_misfit: np.ndarray, what: str, allowed: tuple[str, ...], way_out: str) -> None:
        if not is_misfit.any():
            return
        index = int(is_misfit.argmax())
        others = [kind for kind, number in MODALITIES.items() if kind not in allowed and modalities[index] & number]
        has = f"has a {others[0]}" if others else f"has not one {' or '.join(allowed)}"
        raise ValueError(f"{what}, but {dataset.describe(index)} {has} ({is_misfit.sum()} such samples): {way_out}.")

    modalities = dataset.modalities
    foreign = sum(number for kind, number in MODALITIES.items() if kind not in kinds)
    what = f"{family_name} takes {' and '.join(kinds)}s alone"
    refuse(modalities & foreign > 0, what, kinds, "take them out of the data")
    if stage.visuals:
        allowed = [MODALITIES[kind] for kind in stage.visuals]
        what = (
            f"The stage {stage.name!r} is trained on {' or '.join(f'{kind}s' for kind in stage.visuals)} with captions"
        )
        refuse(~np.isin(modalities, allowed), what, stage.visuals, "train on it in the stage 'instruction'")


def _write_model(trainer: VisionLanguageTrainer, loaded: LoadedModel, output: Path) -> None:
    model = trainer.accelerator.unwrap_model(trainer.model)
    gathered = trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}  # ZeRO-3 gives it to one process alone
    state = {name: tensor.cpu() for name, tensor in gathered.items()}
    unset_hf_deepspeed_config()  # under ZeRO-3 all processes load a model together, but one alone checks what it wrote
    if trainer.is_world_process_zero():
        if hasattr(model, "peft_config"):

            def write(folder: Path) -> None:
                with full_disk_is_named(output), usual_file_mode(folder):
                    model.save_pretrained(folder, state_dict=state)
                loaded.processor.save_pretrained(folder)
                if os.path.isabs(loaded.model.name_or_path):
                    # peft's card names the base model, of which a path says nothing to others
                    (folder / "README.md").unlink(missing_ok=True)
        else:
            # a model that was sharded or on a GPU comes back with copies of what it shares, which must not be saved twice
            for copied, shared in model.all_tied_weights_keys.items():
                state[copied] = state[shared]

            def write(folder: Path) -> None:
                with full_disk_is_named(output):
                    written = write_native_folder(folder, loaded, state)
                check_written(folder, loaded, written)

        write_whole(output, write)
    trainer.accelerator.wait_for_everyone()
