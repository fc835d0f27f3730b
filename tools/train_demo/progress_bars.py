# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A progress bar for each step of a training."""

from tqdm import tqdm


class ProgressBars:
    """Bars that appear as their steps begin."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm] = {}

    def report(self, step: str, done: int, total: int, figures: dict[str, float]) -> None:
        """Shows figures that a training reports, but for the number of its step."""
        self.show(step, done, total, {name: f"{value:.3g}" for name, value in figures.items() if name != "step"})

    def show(self, step: str, done: int, total: int, figures: dict[str, str] | None = None) -> None:
        """Moves a step's bar to what is done of the total."""
        if step not in self._bars:
            self._bars[step] = tqdm(desc=step, total=total)
        self._bars[step].set_postfix(figures or {}, refresh=False)
        self._bars[step].update(done - self._bars[step].n)

    def close(self) -> None:
        """Leaves the bars as they are."""
        for bar in self._bars.values():
            bar.close()
