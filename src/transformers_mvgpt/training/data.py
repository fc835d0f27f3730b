# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Conversations about videos and images, as a dataset that stays on disk."""

import bisect
import os
from array import array
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from .media_folder import MediaFolder
from .messages import to_messages, visuals_of
from .sources import open_sources


MODALITIES = {"image": 1, "video": 2}  # their sum, where a sample has both


class InstructionDataset(torch.utils.data.Dataset):
    """
    Conversations, each about a video, about images or about nothing to be seen. All are looked through once, so that a
    record that makes no sense is found at the start. Only their places are kept, about 30 bytes for each: see
    [`open_sources`].

    Args:
        data:
            One of, or a list of: a `.json` file with a list of rows, a `.jsonl` file with a row in each line, a `.parquet` or `.csv`
            file, a folder that `datasets` has saved, a `datasets.Dataset`. Rows have the forms that [`to_messages`] reads.
        media_folder (`str`, *optional*):
            What the paths of videos and images are relative to, and do not leave; by default the folder of the file that names
            them.
        media_anywhere (`bool`, defaults to `False`):
            Whether absolute paths, `..` and links may leave that folder.

    Attributes:
        modalities (`np.ndarray` of shape `(num_samples,)`, int8): 1 with images, 2 with videos, 3 with both, else 0.
        lengths (`np.ndarray` of shape `(num_samples,)`, int64): characters of text.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a record has another form, or there is none; it says which.
    """

    def __init__(self, data: Any, media_folder: str | os.PathLike | None = None, media_anywhere: bool = False):
        self.sources = open_sources(data)
        folders = (source.folder if media_folder is None else media_folder for source in self.sources)
        self._media = [MediaFolder(folder, media_anywhere) for folder in folders]
        self._ends = list(accumulate(len(source) for source in self.sources))
        modalities, lengths = array("b"), array("q")
        for number, source in enumerate(self.sources):
            for index, record in enumerate(source):
                messages = self._messages(number, index, record)
                modalities.append(sum(number for kind, number in MODALITIES.items() if visuals_of(messages, kind)))
                texts = (part["text"] for message in messages for part in message["content"] if part["type"] == "text")
                lengths.append(sum(map(len, texts)))
        if not lengths:
            raise ValueError(f"There is no sample in {data}.")
        self.modalities, self.lengths = np.frombuffer(modalities, np.int8), np.frombuffer(lengths, np.int64)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """
        Returns:
            `dict`: `"messages"` in the form that [`to_messages`] returns, and a `"name"` for the sample.
        """
        number, within = self._find(index)
        source = self.sources[number]
        return {"messages": self._messages(number, within, source[within]), "name": source.describe(within)}

    def describe(self, index: int) -> str:
        """A name of the sample for messages, such as "sample 3 of clips.json"."""
        number, within = self._find(index)
        return self.sources[number].describe(within)

    def _find(self, index: int) -> tuple[int, int]:
        """The number of the source, and the index in it."""
        if not 0 <= index < len(self):
            raise IndexError(f"There is no sample {index}, but 0 to {len(self) - 1}.")
        number = bisect.bisect_right(self._ends, index)
        return number, int(index) - (self._ends[number - 1] if number else 0)

    def _messages(self, number: int, index: int, record: Any) -> list[dict[str, Any]]:
        try:
            return to_messages(record, self._media[number])
        except ValueError as error:
            raise ValueError(f"In {self.sources[number].describe(index)}: {error}.") from error
