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
            metavar="QUESTIONS",
            help="JSONL file; a line has `video` or `image`, `type`, `question`, `answer`, maybe `options`.",
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
    letters: Annotated[
        bool,
        typer.Option(
            "--letters", help="Ask for the letter of one of the `options`, as the published models were asked."
        ),
    ] = False,
    think: Annotated[
        bool, typer.Option("--think", help="Have TinyLLaVA-Video-R1 think first, and take what its answer tag holds.")
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --answers.")] = False,
) -> None:
    """Answer questions about videos or images, and count exact answers by type of question, beside those of a guesser."""
    import torch
    from tqdm import tqdm
    from transformers import pipeline

    from ..conversion.written_files import check_new_file, write_file
    from ..evaluation import answer_questions, guess_answers, precisions, read_questions, score_by_type
    from ..evaluation.letters import INSTRUCTION, ask_for_letters, letter_of
    from ..evaluation.quantization import check_quantization, quantize_language_model
    from ..processing.answer_tags_tinyllava import answer_of

    if compare_precisions and (shuffle_frames or quantization or answers or letters or think):
        raise ValueError(
            "`--compare-precisions` goes with neither --shuffle-frames, --quantization nor --answers, and neither with --letters "
            "nor --think."
        )
    limits = parse_limits(limit)
    if quantization is not None:
        check_quantization(quantization)
    if answers is not None:
        check_new_file(answers, overwrite)
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
    # what is to be thought about needs no other instruction
    asked = ask_for_letters(items, "" if think else INSTRUCTION) if letters else items
    given = answer_questions(
        pipe.model,
        pipe.processor,
        asked,
        shuffle_frames=shuffle_frames,
        max_new_tokens=max_new_tokens,
        num_workers=workers,
        template_variables={"think": True} if think else None,
    )
    texts = list(tqdm(given, desc="Questions", total=len(items)))
    if answers is not None:
        records = [
            {**{key: value for key, value in vars(item).items() if value is not None}, "given": text}
            for item, text in zip(items, texts, strict=True)
        ]
        write_file(answers, "".join(json.dumps(record) + "\n" for record in records))
    if think:
        texts = [answer_of(text) for text in texts]
    if letters:
        texts = [letter_of(text, item.options) for item, text in zip(items, texts, strict=True)]
    scores, guessed = score_by_type(asked, texts), score_by_type(asked, guess_answers(asked))
    typer.echo(f"{'type':14s} {'exact':>7s} {'guesser':>8s}")
    for kind, share in scores.items():
        typer.echo(f"{kind:14s} {share:7.1%} {guessed[kind]:8.1%}")
