# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How the ways of choosing frames do: whether they find the one frame that matters, and what that means for answers."""
