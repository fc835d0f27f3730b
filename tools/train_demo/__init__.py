# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Trains the small model that comes with the package, from nothing, and compares it with models of which one part is exchanged:
`make train-demo` and `make ablations`. Needs the extra `train`.
"""
