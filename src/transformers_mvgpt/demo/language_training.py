# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The language model from nothing: it learns to answer the questions about scenes that it reads as screenplays, and the
words for what is seen in one moment of them.
"""

import random
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .questions import MOMENT_QUESTION, describe_moment, make_questions
from .scene import make_scene
from .screenplay import write_screenplay


_IGNORED = -100


def make_conversation(visual: dict, turns: list[tuple[str, str]]) -> list[dict]:
    """Chat messages: questions and answers about a visual (`{"type": "text", "text": ...}`, `{"type": "video", ...}`)."""
    messages: list[dict] = []
    for index, (question, answer) in enumerate(turns):
        text = {"type": "text", "text": question}
        messages.append({"role": "user", "content": [visual, text] if index == 0 else [text]})
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return messages


class ScreenplayDataset(IterableDataset):
    """
    Conversations about training scenes in words: `input_ids` (L,) and `labels` (L,), -100 but for the answers.

    Args:
        tokenizer: of the model, with the chat template of the processor.
        first_seed, num_scenes (`int`): which scenes.
        max_turns (`int`): questions about each of them.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, first_seed: int, num_scenes: int, max_turns: int = 8):
        self.tokenizer, self.max_turns = tokenizer, max_turns
        self.seeds = range(first_seed, first_seed + num_scenes)

    def __len__(self) -> int:
        return len(self.seeds)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        worker = get_worker_info()
        seeds = self.seeds if worker is None else self.seeds[worker.id :: worker.num_workers]
        return map(self.make_sample, seeds)

    def make_sample(self, seed: int) -> dict[str, torch.Tensor]:
        """The sample of a seed."""
        rng, scene = random.Random(f"screenplay {seed}"), make_scene(seed)
        if rng.random() < 0.1:
            progress = rng.random()
            text = write_screenplay(scene, num_frames=1, start=progress)
            turns = [(MOMENT_QUESTION, describe_moment(scene, progress))]
        else:
            text = write_screenplay(scene, end=rng.uniform(0.78, 1))
            turns = [(question.text, question.answer) for question in make_questions(scene, seed)[: self.max_turns]]
        encoded = self.tokenizer.apply_chat_template(
            make_conversation({"type": "text", "text": f"{text}\n"}, turns),
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        input_ids = torch.tensor(encoded["input_ids"])
        is_answer = torch.tensor(encoded["assistant_masks"]).bool()
        return {"input_ids": input_ids, "labels": input_ids.where(is_answer, _IGNORED)}


def train_language_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    num_steps: int,
    *,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    num_workers: int = 1,
    first_seed: int = 0,
) -> Iterator[dict[str, float]]:
    """
    Trains the language model and the head of `model` in place; the rest of it sees no text.

    Yields:
        `dict[str, float]`: after each step, its number, the loss, and the share of answers' tokens that are right.
    """
    parameters = [*model.model.language_model.parameters(), *model.lm_head.parameters()]
    parameters = list(dict.fromkeys(parameters))  # tied weights are one
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, num_steps, pct_start=0.1)
    dataset = ScreenplayDataset(tokenizer, first_seed, num_steps * batch_size)
    model.train()
    for step, batch in enumerate(DataLoader(dataset, batch_size, num_workers=num_workers, collate_fn=_pad), start=1):
        outputs = model(**batch)
        optimizer.zero_grad()
        outputs.loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        wanted = batch["labels"][:, 1:]
        is_right = outputs.logits[:, :-1].argmax(-1) == wanted
        yield {
            "step": step,
            "loss": outputs.loss.item(),
            "accuracy": is_right[wanted != _IGNORED].float().mean().item(),
        }
    model.eval()


def _pad(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """On the right: under causal attention, what follows an answer cannot change it."""
    fillers = {"input_ids": 0, "labels": _IGNORED}
    return {
        name: pad_sequence([sample[name] for sample in samples], batch_first=True, padding_value=filler)
        for name, filler in fillers.items()
    }
