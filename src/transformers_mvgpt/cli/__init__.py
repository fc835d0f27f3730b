# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt`, one file per sub-command. It begins in `mvgpt_command`, beside the package."""


def main() -> None:
    """Runs the command, for scripts that were installed before `mvgpt_command` came."""
    import mvgpt_command

    mvgpt_command.main()
