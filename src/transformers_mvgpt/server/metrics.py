# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the server counts, as Prometheus reads it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """
    Args:
        num_in_server (`Callable[[], int]`): Requests that are in the server now.
        num_cached (`Callable[[], int]`), cached_bytes (`Callable[[], int]`): Encoded visuals that are kept.
    """

    def __init__(
        self,
        num_in_server: Callable[[], int],
        num_cached: Callable[[], int],
        cached_bytes: Callable[[], int],
    ) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"mvgpt_{name}", text, labels, registry=self.registry)

        self.requests = counter("requests", "Chat requests, by the status that they ended with.", ("status",))
        self.left = counter("clients_left", "Requests whose client left before the answer was whole.")
        self.prompt_tokens = counter("prompt_tokens", "Tokens of prompts, visual tokens included.")
        self.answer_tokens = counter("answer_tokens", "Tokens of answers.")
        self.encoded = counter("visuals_encoded", "Videos and images that went through the encoders.")
        self.cache_hits = counter("cache_hits", "Videos and images that were encoded already.")
        self.request_seconds = self._histogram("request_seconds", "From a request to the end of its answer.")
        self.first_text_seconds = self._histogram(
            "first_text_seconds", "From a request to the first text of its answer."
        )
        for name, text, read in (
            ("requests_in_server", "Chat requests that wait or are answered.", num_in_server),
            ("cached_visuals", "Encoded videos and images that are kept.", num_cached),
            ("cached_bytes", "What they take in memory.", cached_bytes),
        ):
            Gauge(f"mvgpt_{name}", text, registry=self.registry).set_function(read)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"mvgpt_{name}", text, buckets=_SECONDS, registry=self.registry)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
