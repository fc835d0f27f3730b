# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What mkdocs.yml takes to make the site of `docs/`, docstrings and files of the repository."""
