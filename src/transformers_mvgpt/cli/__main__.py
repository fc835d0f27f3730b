# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`python -m transformers_mvgpt.cli`."""

from mvgpt_command import main


if __name__ == "__main__":
    main()
