# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Where the command `mvgpt` begins. It stands beside the package: to import anything of a package, Python first runs its
`__init__`, and that of `transformers_mvgpt` loads torch and transformers, which `mvgpt --help` needs no part of.
"""

# Whether this process is the command's. Processes that it spawns import this module too, but do not call `main`.
is_running = False


def main() -> None:
    """Runs the command. Until a sub-command begins, nothing is registered with transformers."""
    global is_running
    is_running = True
    from transformers_mvgpt.cli.main import main as run

    run()


if __name__ == "__main__":  # `python -m mvgpt_command`, as launchers of several processes start it
    from mvgpt_command import main as start

    start()
