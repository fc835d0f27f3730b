# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt evaluate`: how many questions of a file a model answers rightly."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .error_lines import EXIT_UNREAD
from .limits import LimitOption, parse_limits
from .model_checks import check_device, check_model
from .model_options import DeviceOption, QuantizationOption
from .progress import step


if TYPE_CHECKING:
    from ..evaluation import Evaluation, ScoredQuestion


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, or repository on the Hugging Face Hub.")],
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS",
            help="JSONL, JSON, CSV or Parquet file, or a folder saved by `datasets`. A row has `video` or `image`, `question`, "
            "`answer`, maybe `options`, `type`; or `conversations` or `messages`.",
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
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="Score answers in words with this function of question, right answer and answer, too; or FILE.py:FUNCTION. Its code is run.",
        ),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 128,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Questions that are answered together; by default, those about one video."),
    ] = None,
    device: DeviceOption = None,
    quantization: QuantizationOption = None,
    compare_precisions: Annotated[
        bool,
        typer.Option("--compare-precisions", help="Instead, a table of what float32, bfloat16, int8 and int4 cost."),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Threads that decode the next videos while the model answers.")
    ] = 1,
    answers: Annotated[
        Path | None,
        typer.Option(
            help="JSONL or Parquet file to write the answers to, as they come. The same command goes on with it when it was interrupted."
        ),
    ] = None,
    model_index: Annotated[
        Path | None,
        typer.Option(help="File for the scores as a `model-index` of the Hub; of a card (README.md), its head."),
    ] = None,
    dataset_name: Annotated[
        str | None, typer.Option(help="What --model-index calls the questions; by default, the name of their file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    limit: LimitOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the files of --answers and --model-index.")
    ] = False,
) -> None:
    """
    Answer questions about videos or images, and count right answers by type of question, beside those of a guesser. If some videos
    cannot be read, their questions count as answered wrongly, and the command ends with 3.
    """
    from ..evaluation import quantization as quantizing
    from ..evaluation import read_questions
    from ..evaluation.answers_file import AnswersFile
    from ..evaluation.judge import load_judge
    from ..evaluation.model_index import check_model_index
    from ..evaluation.own_data import describe_run, questions_as_asked

    others = (shuffle_frames, quantization, answers, letters, think, judge, model_index, as_json, batch_size)
    if compare_precisions and any(others):
        raise ValueError(
            "`--compare-precisions` goes with none of --shuffle-frames, --quantization, --answers, --letters, --think, --judge, "
            "--model-index, --json and --batch-size."
        )
    if (questions / "config.json").is_file():
        raise ValueError(
            f"{questions} is the folder of a model, and not of questions: `mvgpt evaluate MODEL QUESTIONS`."
        )
    limits = parse_limits(limit)
    check_device(device)
    if quantization is not None:
        quantizing.check_quantization(quantization, device)
    run = describe_run(
        model,
        letters=letters,
        think=think,
        judge=judge,
        shuffle_frames=shuffle_frames,
        quantization=quantization,
        max_new_tokens=max_new_tokens,
        relative_to=os.path.realpath(media_folder or (questions if questions.is_dir() else questions.parent)),
    )
    for written in filter(None, (answers, model_index)):
        if written.exists() and written.resolve() == questions.resolve():
            raise ValueError(f"{written} holds the questions: choose another file to write to.")
    file = None if answers is None else AnswersFile(answers, run, overwrite)
    if model_index is not None:
        check_model_index(model_index, overwrite)
    function = None if judge is None else load_judge(judge)
    with step(f"Reading {questions}"):
        items = read_questions(questions, media_folder, media_anywhere)
    questions_as_asked(items, letters, think)
    check_model(model)
    if compare_precisions:
        _compare_precisions(model, items, device, max_new_tokens, limits)
        return
    options = {
        "answers": file,
        "judge": function,
        "letters": letters,
        "think": think,
        "shuffle_frames": shuffle_frames,
        "max_new_tokens": max_new_tokens,
        "num_workers": workers,
        "batch_size": batch_size,
    }
    result, task = _evaluate(model, items, device, quantization, limits, options)
    _report(result, as_json)
    if model_index is not None:
        from ..evaluation.model_index import eval_results, write_model_index

        results = eval_results(result, task=task, dataset=dataset_name or questions.stem)
        write_model_index(model_index, results, Path(os.path.realpath(model) if os.path.isdir(model) else model).name)
    if result.num_errors:
        raise typer.Exit(EXIT_UNREAD)


def _evaluate(
    model: str,
    questions: "list[ScoredQuestion]",
    device: str | None,
    quantization: str | None,
    limits: Any,
    options: dict[str, Any],
) -> "tuple[Evaluation, str]":
    """The scores, and the Hub's name of the model's task."""
    from tqdm import tqdm

    from ..evaluation import evaluate
    from ..evaluation.pipeline_loading import load_pipeline
    from ..families import family_of

    with step(f"Loading {model}") as change:
        pipe = load_pipeline(model, quantization=quantization, untrusted_input=limits, device=device)
        change("Scoring")
        with tqdm(desc="Questions", total=len(questions)) as bar:
            result = evaluate(pipe.model, pipe.processor, questions, on_row=lambda row: bar.update(), **options)
    return result, family_of(pipe.model.config).task


def _report(result: "Evaluation", as_json: bool) -> None:
    from ..evaluation.score_table import score_lines

    if as_json:
        typer.echo(json.dumps(result.to_dict(), indent=1))
        return
    for line in score_lines(result.scores):
        typer.echo(line)


def _compare_precisions(
    model: str, questions: "list[ScoredQuestion]", device: str | None, max_new_tokens: int, limits: Any
) -> None:
    import torch
    from tqdm import tqdm

    from ..evaluation import precisions

    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with step("Comparing precisions"), tqdm(desc="Questions", total=len(questions)) as bar:

        def show(precision: str, answered: int) -> None:
            bar.set_description(precision, refresh=False)
            bar.update(answered - bar.n)

        costs = precisions.compare_precisions(
            model, questions, place, max_new_tokens=max_new_tokens, on_answer=show, untrusted_input=limits
        )
    typer.echo(precisions.precision_table(costs), nl=False)
