# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Fine-tuning on clips of one's own: drawn ones here, with a question that the small model has never been asked.

A row is a video and a conversation about it, whose answers are learned. Twelve steps of four rows teach that the question asks for the number of
objects. The model that comes out is used as any other.

    $ python examples/fine_tuning.py
    before: 2 of 12 right, such as 'The circle is yellow and vanishes' where 'three' is true
    after: 11 of 12 right, such as 'three' where 'three' is true

A model of the published sizes learns by LoRA, from `load_recipe("instruction_0.5b", ["data=rows.json", "output=adapter"])`.
"""

import json
import tempfile
from pathlib import Path

from transformers import pipeline

from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip
from transformers_mvgpt.training import make_recipe, run


QUESTION = "How lively is it?"
NUMBERS = ("none", "one", "two", "three")
SETTINGS = {"stage": "instruction", "lora": None, "learning_rate": 5e-4, "batch_size": 4, "max_steps": 12}
# on a CPU, without checkpoints on the way
SETTINGS |= {"dtype": "fp32", "num_workers": 0, "save_steps": None, "trainer": {"use_cpu": True, "disable_tqdm": True}}


def draw(seeds: range, folder: Path) -> dict[str, str]:
    """Clips and the right answers about them."""
    clips = {folder / f"{seed}.mp4": make_clip(seed) for seed in seeds}
    for path, clip in clips.items():
        write_clip(clip, path)
    return {str(path): NUMBERS[len(clip.scene.actors)] for path, clip in clips.items()}


def ask(name: str, model: Path, truth: dict[str, str]) -> None:
    pipe = pipeline("video-text-to-text", model=str(model))
    answers = [record["generated_text"] for [record] in pipe(list(truth), text=QUESTION, batch_size=4)]
    right = sum(map(str.__eq__, answers, truth.values()))
    first, true = answers[0].partition(". ")[0], next(iter(truth.values()))
    print(f"{name}: {right} of {len(truth)} right, such as {first!r} where {true!r} is true")


def main(folder: Path) -> None:
    rows = []
    for path, answer in draw(range(32), folder).items():
        turns = [{"from": "human", "value": f"<video>\n{QUESTION}"}, {"from": "gpt", "value": answer}]
        rows.append({"video": Path(path).name, "conversations": turns})
    data, model = folder / "rows.json", folder / "model"
    data.write_text(json.dumps(rows))
    truth = draw(range(1001, 1013), folder)
    ask("before", CHECKPOINT, truth)
    run(make_recipe({**SETTINGS, "model": str(CHECKPOINT), "data": str(data), "output": str(model)}))
    ask("after", model, truth)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as drawn:
        main(Path(drawn))
