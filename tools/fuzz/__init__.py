# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos and pictures, mutated and read: each must end in pixels or in an error that names it."""
