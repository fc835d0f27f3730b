# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Fine-tuning on clips of one's own: drawn ones here, with a word that the small model has never been asked.

A row is a video and a conversation about it, of which the answer is learned: in twelve steps of four rows, that "Count." asks how many objects
there are. The model that comes out is used as any other.

    $ python examples/fine_tuning.py
    before: 0 of 12 right; the first is 'The circle is yellow and vanishes.', not 'three'
    after: 11 of 12 right; the first is 'three'

A model of the published sizes learns by LoRA, from `load_recipe("instruction_0.5b", ["data=rows.json", "output=adapter"])`.
"""

import json
import tempfile
from pathlib import Path

from transformers import pipeline

from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip
from transformers_mvgpt.training import make_recipe, run


QUESTION = "Count."
NUMBERS = ("none", "one", "two", "three")
SETTINGS = {"stage": "instruction", "lora": None, "learning_rate": 5e-4, "batch_size": 4, "max_steps": 12}
# on a CPU, without checkpoints on the way
SETTINGS |= {"dtype": "fp32", "num_workers": 0, "save_steps": None, "trainer": {"use_cpu": True, "disable_tqdm": True}}


def draw(seeds: range, folder: Path) -> dict[str, str]:
    """Clips and the right answers about them."""
    answers = {}
    for seed in seeds:
        clip = make_clip(seed)
        write_clip(clip, folder / f"{seed}.mp4")
        answers[str(folder / f"{seed}.mp4")] = NUMBERS[len(clip.scene.actors)]
    return answers


def ask(name: str, model: Path, truth: dict[str, str]) -> None:
    pipe = pipeline("video-text-to-text", model=str(model))
    said = [record["generated_text"] for [record] in pipe(list(truth), text=QUESTION, batch_size=4)]
    right = [answer == true for answer, true in zip(said, truth.values(), strict=True)]
    print(f"{name}: {sum(right)} of {len(right)} right, such as {said[0]!r} where {next(iter(truth.values()))!r} is true")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            {"video": Path(path).name, "conversations": [
                {"from": "human", "value": f"<video>\n{QUESTION}"}, {"from": "gpt", "value": answer}]}
            for path, answer in draw(range(32), folder).items()
        ]  # fmt: skip
        (folder / "rows.json").write_text(json.dumps(rows))
        truth = draw(range(1001, 1013), folder)
        ask("before", CHECKPOINT, truth)
        run(make_recipe({**SETTINGS, "model": str(CHECKPOINT), "data": str(folder / "rows.json"), "output": str(folder / "model")}))
        ask("after", folder / "model", truth)


if __name__ == "__main__":
    main()
