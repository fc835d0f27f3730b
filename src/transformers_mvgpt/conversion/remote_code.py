# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What makes a folder work without this package: a family's code, and where transformers finds which class."""

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..families import Family
from ..processing.pipeline_video_text import VideoTextToTextPipeline
from .code_closure import LICENSE_LINE, import_closure
from .loading import LoadedModel


# The only files of `kernels/` that import the fast implementations, as they are where those are left out.
_WITHOUT_FAST_PATHS = dict.fromkeys(
    ("fast_paths.py", "fast_paths_video.py"),
    f'''{LICENSE_LINE}
"""Nothing stands in for plain PyTorch here: this folder was exported without the faster paths."""

fast = None
''',
)


@dataclass(frozen=True)
class RemoteCode:
    """
    The remote code of a family.

    Args:
        family ([`Family`]): the family.
    """

    family: Family

    @property
    def config_entries(self) -> dict[str, Any]:
        """The entries of `config.json`. transformers itself would only write those of the classes that it saves."""
        auto_map = {name: _reference(known) for name, known in self._classes().items()}
        entries: dict[str, Any] = {"auto_map": auto_map}
        if self.family.video_processor_class is not None:
            entries["custom_pipelines"] = {
                "video-text-to-text": {
                    "impl": _reference(VideoTextToTextPipeline),
                    "pt": ["AutoModelForImageTextToText"],
                    "type": "multimodal",
                }
            }
        return entries

    def code(self, plain: bool = False) -> dict[str, str]:
        """
        The files of code by their names: those of the family's classes, and all that they import.

        Args:
            plain (`bool`, defaults to `False`): without what numba or Triton compiles, and without CUDA graphs.
        """
        classes = list(self._classes().values())
        if self.family.video_processor_class is not None:
            classes.append(VideoTextToTextPipeline)
        files = frozenset(Path(str(sys.modules[known.__module__].__file__)) for known in classes)
        return dict(_read_closure(files, plain))

    def write(self, folder: str | os.PathLike, plain: bool = False) -> None:
        """Writes the code into a folder, flat, as transformers wants it."""
        os.makedirs(folder, exist_ok=True)
        for name, code in self.code(plain).items():
            Path(folder, name).write_text(code, "utf-8")

    def attach(self, loaded: LoadedModel) -> None:
        """Lets a model and its processor be saved with what says where their classes are."""
        auto_map = self.config_entries["auto_map"]
        loaded.model.config.auto_map = dict(auto_map)
        processors = {name: auto_map[name] for name in auto_map if name.endswith("Processor")}
        loaded.processor.auto_map = dict(processors)
        # transformers reads a processor's part of their common file alone
        for name, part in (("AutoImageProcessor", "image_processor"), ("AutoVideoProcessor", "video_processor")):
            if name in processors:
                getattr(loaded.processor, part).auto_map = {name: processors[name]}

    def _classes(self) -> dict[str, type]:
        """By the Auto classes that find them; those of transformers are found without."""
        family = self.family
        classes: dict[str, type | None] = {
            "AutoConfig": family.config_class,
            "AutoModel": family.base_model_class,
            "AutoModelForImageTextToText": family.model_class,
            "AutoModelForMultimodalLM": family.model_class,
            "AutoProcessor": family.processor_class,
            "AutoImageProcessor": next(iter(family.image_processor_classes.values()), None),
            "AutoVideoProcessor": family.video_processor_class,
        }
        package = __name__.partition(".")[0]
        return {
            name: known for name, known in classes.items() if known and known.__module__.partition(".")[0] == package
        }


def _reference(known: type) -> str:
    """How remote code names a class: by its file in a flat folder."""
    return f"{known.__module__.rpartition('.')[2]}.{known.__name__}"


@functools.cache  # a saved model, its config and its processors each ask for it
def _read_closure(files: frozenset[Path], plain: bool) -> dict[str, str]:
    return import_closure(files, _WITHOUT_FAST_PATHS if plain else None)
