# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the tasks beside this file do with a line of their data."""

from PIL import Image

from transformers_mvgpt.evaluation import is_same_answer


def video_of(doc, lmms_eval_specific_kwargs=None):
    if doc.get("segment"):
        start, end = doc["segment"]
        return [{"type": "video", "path": doc["video"], "video_start": start, "video_end": end}]
    return [doc["video"]]


def picture_of(doc):
    return [Image.open(doc["image"])]


def compare(doc, results):
    return {"exact": float(is_same_answer(results[0], doc["answer"]))}


def place_of_answer(doc):
    return doc["options"].index(doc["answer"])


def question_of_round(
    doc, lmms_eval_specific_kwargs=None, round_idx=None, previous_output=None, previous_round_info=None
):
    if round_idx is None:
        return doc["question"]
    if round_idx == 2:
        return None, None, True, previous_output, None
    return video_of(doc), doc["question"], False, previous_output, None


def compare_rounds(doc, results):
    first, second = results[0]
    return {"exact": float(is_same_answer(first, doc["answer"]) and is_same_answer(second, doc["second_answer"]))}
