# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Families' models behind a served application in this process, and what is sent to it."""

import base64
import io
import json
from typing import Any

from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from transformers import AutoModelForImageTextToText, AutoProcessor

from tiny_trained import MOBILEVLM, TINYLLAVA
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.server.app import create_app
from transformers_mvgpt.server.settings import ServerSettings


FOLDERS = {"mobile_videogpt": CHECKPOINT, "mobilevlm": MOBILEVLM, "tinyllava": TINYLLAVA}
MAX_TOKENS = 16


class Served:
    """A family's model, and a client of a server for it."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(FOLDERS[name])
        self.processor = AutoProcessor.from_pretrained(FOLDERS[name])
        self.app = create_app(self.model, self.processor, ServerSettings(served_model_name="m", **settings))
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def post(self, messages: list[dict[str, Any]], **fields: Any) -> Any:
        body = {"model": "m", "messages": messages, "max_tokens": MAX_TOKENS, **fields}
        return self.client.post("/v1/chat/completions", content=json.dumps(body))

    def ask(self, messages: list[dict[str, Any]], **fields: Any) -> str:
        response = self.post(messages, **fields)
        assert response.status_code == 200, response.text
        return response.json()["choices"][0]["message"]["content"]

    def generate(self, messages: list[dict[str, Any]], **options: Any) -> str:
        """What the model itself says to a chat with `image` and `video` parts."""
        inputs = self.processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        ids = self.model.generate(**inputs, **{"max_new_tokens": MAX_TOKENS, **options})
        [text] = self.processor.decode_answers(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return text

    def metric(self, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == f"mvgpt_{name}" and sample.labels == labels)


def to_data(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def text(words):
    return {"type": "text", "text": words}


def about(clip_data, words="What is there?", **options):
    return [
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": clip_data, **options}}, text(words)]}
    ]


def events_of(response) -> list[Any]:
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = response.text.split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") for line in lines)
    return [line if line == "data: [DONE]" else json.loads(line.removeprefix("data: ")) for line in lines]
