# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt`, one file per sub-command. It begins in `mvgpt_command`, beside the package."""
