# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Where the command `mvgpt` begins. It stands beside the package: to import anything of a package, Python first runs its
`__init__`, and that of `transformers_mvgpt` loads torch and transformers, which `mvgpt --help` needs no part of.
"""

import os
import signal
import sys
from types import FrameType


# Whether this process is the command's. Processes that it spawns import this module too, but do not call `main`.
is_running = False


def main() -> None:
    """Runs the command. Until a sub-command begins, nothing is registered with transformers."""
    begin()
    from transformers_mvgpt.cli.main import main as run

    run()


def begin() -> None:
    """Makes this process the command's."""
    global is_running
    is_running = True
    _open_closed_streams()
    signal.signal(signal.SIGINT, end_at_once)


def _open_closed_streams() -> None:
    """
    In place of a stream that is closed (`2>&-`, `<&-`), or that there is not, as under `pythonw`, the null device: what is written goes
    nowhere, and no file that is opened later gets its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def end_at_once(signal_number: int, frame: FrameType | None) -> None:
    """
    Ends the process on Ctrl-C where nothing is to be cleaned up, as while modules are imported: an exception there would be shown with
    its traceback, or get lost in the code that loads a library.
    """
    if os.isatty(2):
        os.write(2, b"\n")
    os._exit(128 + signal_number)


if __name__ == "__main__":  # `python -m mvgpt_command`, as launchers of several processes start it
    from mvgpt_command import main as start

    start()
