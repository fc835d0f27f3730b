# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from transformers_mvgpt import VideoMambaConfig, VideoMambaModel
from transformers_mvgpt.evaluation.scan_left_out import scan_left_out


@pytest.mark.parametrize("implementation", ["torch", "auto"])
def test_every_scan_gives_back_its_input(implementation):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "image_size": 16, "patch_size": 8}
    config = VideoMambaConfig(**sizes, num_frames=4, clip_decoder_size=None, initializer_range=0.3)
    model = VideoMambaModel(config).eval()
    model.config.scan_implementation = implementation
    frames = torch.randn(2, 4, 3, 16, 16)
    with torch.no_grad():
        complete = model(frames).last_hidden_state
        with scan_left_out():
            without = model(frames).last_hidden_state
        assert not torch.allclose(without, complete, rtol=1e-3)
        torch.testing.assert_close(model(frames).last_hidden_state, complete, rtol=0, atol=0)
        # with nothing from the states to the output and D = 1, a scan is the identity
        for layer in model.layers:
            for projection in (layer.mixer.x_proj, layer.mixer.x_proj_b):
                projection.weight[-4:] = 0
        torch.testing.assert_close(model(frames).last_hidden_state, without, rtol=1e-4, atol=1e-5)
