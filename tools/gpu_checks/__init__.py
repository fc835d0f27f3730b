# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What needs a GPU, in under 8 minutes: tests, speed and scans, in one table."""
