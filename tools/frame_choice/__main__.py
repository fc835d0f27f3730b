# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`python -m frame_choice`: measures, and writes the table of the page and the pictures in it."""

import argparse
import json
import logging
import sys
from pathlib import Path

import transformers_mvgpt  # noqa: F401  registers the classes with transformers

from .measure import measure_answers, measure_rare_frames
from .pictures import write_pictures
from .table import replace_table


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m frame_choice", description=__doc__)
    parser.add_argument("--clips", type=int, default=120, help="clips in which something happens in one sampled frame")
    parser.add_argument("--questions", type=int, default=300, help="questions to the small model")
    parser.add_argument("--work", type=Path, default=Path("build/frame_choice"), help="where clips are drawn")
    parser.add_argument("--results", type=Path, default=Path("docs/frame_choice/frame_choice.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/frames.md"))
    parser.add_argument("--images", type=Path, default=Path("docs/images"))
    parser.add_argument("--pictures", action="store_true", help="draw the pictures of the page, and measure nothing")
    options = parser.parse_args(arguments)
    if not options.pictures:
        results = {
            "rare_frames": measure_rare_frames(options.clips, _say),
            "answers": measure_answers(options.questions, options.work, _say),
        }
        sys.stderr.write("\n")
        options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        replace_table(options.page, results)
    write_pictures(options.images, options.work)


def _say(text: str) -> None:
    sys.stderr.write(f"\r{text:60}")
    sys.stderr.flush()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(sys.argv[1:])
