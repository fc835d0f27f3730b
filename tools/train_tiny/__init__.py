# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Trains a tiny MobileVLM and a tiny TinyLLaVA-Video, from nothing, for the tests: `make tiny-models`. Needs the extra `train`.
"""
