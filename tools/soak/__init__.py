# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Thousands of requests to one process: memory, open files and threads stay where they are, and answers stay the same."""
