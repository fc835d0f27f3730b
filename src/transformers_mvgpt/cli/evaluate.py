# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt evaluate`: how many questions of a file a model answers exactly."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .limits import LimitOption, parse_limits


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, or repository on the Hugging Face Hub.")],
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS", help="JSONL file; a line has `video`, `type`, `question`, `answer`, maybe `options`."
        ),
    ],
    media_folder: Annotated[
        Path | None, typer.Option(help="What paths of videos are relative to; by default the folder of QUESTIONS.")
    ] = None,
    media_anywhere: Annotated[
        bool, typer.Option("--media-anywhere", help="Let paths of videos leave that folder.")
    ] = False,
    shuffle_frames: Annotated[
        bool, typer.Option("--shuffle-frames", help="Show the sampled frames in random order.")
    ] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 128,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps, ...; a GPU where there is one.")] = None,
    quantization: Annotated[
        str | None, typer.Option(help="int8 or int4: of the language model's weights, with torchao.")
    ] = None,
    compare_precisions: Annotated[
        bool,
        typer.Option("--compare-precisions", help="Instead, a table of what float32, bfloat16, int8 and int4 cost."),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Threads that decode the next videos while the model answers.")
    ] = 1,
    answers: Annotated[Path | None, typer.Option(help="JSONL file to write the answers to.")] = None,
    limit: LimitOption = None,
) -> None:
    """Answer questions about videos, and count exact answers by type of question, beside those of a guesser."""
    import torch
    from tqdm import tqdm
    from transformers import pipeline

    from ..evaluation import answer_questions, guess_answers, precisions, read_questions, score_by_type
    from ..evaluation.quantization import check_quantization, quantize_language_model

    if compare_precisions and (shuffle_frames or quantization or answers):
        raise ValueError("`--compare-precisions` goes with neither --shuffle-frames, --quantization nor --answers.")
    limits = parse_limits(limit)
    if quantization is not None:
        check_quantization(quantization)
    items = read_questions(questions, media_folder, media_anywhere)
    if compare_precisions:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        with tqdm(desc="Questions", total=len(items)) as bar:

            def show(precision: str, answered: int) -> None:
                bar.set_description(precision, refresh=False)
                bar.update(answered - bar.n)

            costs = precisions.compare_precisions(
                model, items, place, max_new_tokens=max_new_tokens, on_answer=show, untrusted_input=limits
            )
        typer.echo(precisions.precision_table(costs), nl=False)
        return
    pipe = pipeline("video-text-to-text", model=model, device=device)
    pipe.processor.untrusted_input = limits
    if quantization is not None:
        quantize_language_model(pipe.model, quantization)
    given = answer_questions(
        pipe.model,
        pipe.processor,
        items,
        shuffle_frames=shuffle_frames,
        max_new_tokens=max_new_tokens,
        num_workers=workers,
    )
    texts = list(tqdm(given, desc="Questions", total=len(items)))
    if answers is not None:
        lines = [json.dumps({**vars(item), "given": text}) + "\n" for item, text in zip(items, texts, strict=True)]
        answers.write_text("".join(lines), encoding="utf-8")
    scores, guessed = score_by_type(items, texts), score_by_type(items, guess_answers(items))
    typer.echo(f"{'type':14s} {'exact':>7s} {'guesser':>8s}")
    for kind, share in scores.items():
        typer.echo(f"{kind:14s} {share:7.1%} {guessed[kind]:8.1%}")
