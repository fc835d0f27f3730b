# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The progress of a training run on stderr."""

from transformers.trainer_callback import ProgressCallback


class TrainingProgress(ProgressCallback):
    """One bar with the steps, their rate and the last loss, instead of a line for each record."""

    is_main_process = True

    def on_init_end(self, args, state, control, **kwargs):
        self.is_main_process = args.process_index == 0

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.training_bar is not None:
            shown = {name: f"{logs[name]:.4g}" for name in ("loss", "eval_loss", "learning_rate") if name in logs}
            self.training_bar.set_postfix(shown)

    def close(self) -> None:
        """Ends the line of a bar that a failed run has left, so that the error has its own."""
        for bar in (self.training_bar, self.prediction_bar):
            if bar is not None:
                bar.close()
