# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Small models for videos and images, for Hugging Face transformers. Importing the package registers its classes with transformers.

It does not where torch or transformers is not installed, nor when the first import is that of `transformers_mvgpt.runtime`, which runs
exported models without either. Then the classes are registered as soon as one of the names below is asked for, as by
`from transformers_mvgpt import VideoChat`; a later `import transformers_mvgpt` alone does nothing, as Python imports a package once.
"""

import sys
from typing import TYPE_CHECKING

from .lazy_names import lazy_names
from .put_off_registration import is_run_as_command, may_register, register, registered_first


if TYPE_CHECKING:
    from .chat import LiveVideo, VideoChat, load_video_features, save_video_features
    from .modeling import (
        MobileVideoGPTConfig,
        MobileVideoGPTForConditionalGeneration,
        MobileVideoGPTModel,
        MobileVLMConfig,
        MobileVLMForConditionalGeneration,
        MobileVLMModel,
        TinyLlavaVideoConfig,
        TinyLlavaVideoForConditionalGeneration,
        TinyLlavaVideoModel,
        VideoMambaConfig,
        VideoMambaModel,
    )
    from .processing import (
        MobileVideoGPTProcessor,
        MobileVideoGPTVideoProcessor,
        MobileVLMImageProcessor,
        MobileVLMProcessor,
        TinyLlavaVideoProcessor,
        TinyLlavaVideoVideoProcessor,
        VideoTextToTextPipeline,
        answer_of,
    )
    from .version import __version__ as __version__
    from .video.limits import UntrustedInput
    from .viewing import FrameSelection, plot_frame_selection
else:
    _NAMES = {
        "FrameSelection": ".viewing",
        "LiveVideo": ".chat",
        "MobileVLMConfig": ".modeling",
        "MobileVLMForConditionalGeneration": ".modeling",
        "MobileVLMImageProcessor": ".processing",
        "MobileVLMModel": ".modeling",
        "MobileVLMProcessor": ".processing",
        "MobileVideoGPTConfig": ".modeling",
        "MobileVideoGPTForConditionalGeneration": ".modeling",
        "MobileVideoGPTModel": ".modeling",
        "MobileVideoGPTProcessor": ".processing",
        "MobileVideoGPTVideoProcessor": ".processing",
        "TinyLlavaVideoConfig": ".modeling",
        "TinyLlavaVideoForConditionalGeneration": ".modeling",
        "TinyLlavaVideoModel": ".modeling",
        "TinyLlavaVideoProcessor": ".processing",
        "TinyLlavaVideoVideoProcessor": ".processing",
        "VideoChat": ".chat",
        "VideoMambaConfig": ".modeling",
        "VideoMambaModel": ".modeling",
        "VideoTextToTextPipeline": ".processing",
        "answer_of": ".processing",
        "load_video_features": ".chat",
        "plot_frame_selection": ".viewing",
        "save_video_features": ".chat",
    }
    # which are nothing of transformers'
    _OTHER_NAMES = {"UntrustedInput": ".video.limits", "__version__": ".version"}
    __getattr__, __dir__ = lazy_names(__name__, _NAMES | _OTHER_NAMES)
    __getattr__ = registered_first(__getattr__, _NAMES)

__all__ = [
    "FrameSelection",
    "LiveVideo",
    "MobileVLMConfig",
    "MobileVLMForConditionalGeneration",
    "MobileVLMImageProcessor",
    "MobileVLMModel",
    "MobileVLMProcessor",
    "MobileVideoGPTConfig",
    "MobileVideoGPTForConditionalGeneration",
    "MobileVideoGPTModel",
    "MobileVideoGPTProcessor",
    "MobileVideoGPTVideoProcessor",
    "TinyLlavaVideoConfig",
    "TinyLlavaVideoForConditionalGeneration",
    "TinyLlavaVideoModel",
    "TinyLlavaVideoProcessor",
    "TinyLlavaVideoVideoProcessor",
    "UntrustedInput",
    "VideoChat",
    "VideoMambaConfig",
    "VideoMambaModel",
    "VideoTextToTextPipeline",
    "answer_of",
    "load_video_features",
    "plot_frame_selection",
    "save_video_features",
]

if is_run_as_command(__name__):
    import mvgpt_command

    mvgpt_command.begin()

# The command `mvgpt` calls it when a sub-command begins: its help needs no part of torch.
if not getattr(sys.modules.get("mvgpt_command"), "is_running", False) and may_register(__name__):
    register()
