# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What differs between releases of transformers: one file per difference, each with an expiry."""
