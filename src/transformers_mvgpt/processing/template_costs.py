# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a chat template makes and repeats, counted before it is done."""

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from contextvars import ContextVar
from functools import wraps
from typing import Any


try:
    from jinja2.runtime import Undefined
except ImportError as error:
    raise ImportError("Chat templates need jinja2: install it with `pip install jinja2`.") from error


# Characters made, and 64 for each object, iteration and call: some seconds and some hundred MB at most. Copying what users say
# comes on top, a template does that several times.
MAX_COST = 32_000_000
COST_PER_CHARACTER_SAID = 1000
_COST_OF_AN_OBJECT = 64
_MAX_BITS = 10_000

current_budget: ContextVar["Budget"] = ContextVar("current_budget")


class Budget:
    """What one rendering may still cost."""

    def __init__(self, cost: int) -> None:
        self.limit = self.left = cost

    def spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise ValueError(
                f"The chat template makes more than it may: {self.limit:,} characters, or "
                f"{self.limit // _COST_OF_AN_OBJECT:,} steps, of this chat. Use another template (`chat_template.jinja`)."
            )

    def charge(self, value: Any) -> Any:
        """Spends what the value is worth, as often as a part of it occurs."""
        self.spend(_COST_OF_AN_OBJECT)
        if isinstance(value, str):
            self.spend(len(value))
        elif isinstance(value, int):
            if value.bit_length() > _MAX_BITS:
                raise ValueError(f"The chat template makes a number of more than {_MAX_BITS} bits.")
        elif isinstance(value, dict):
            for key, item in value.items():
                self.charge(key)
                self.charge(item)
        elif isinstance(value, (list, tuple, KeysView, ValuesView, ItemsView)):
            for item in value:
                self.charge(item)
        elif isinstance(value, range):
            self.spend(_COST_OF_AN_OBJECT * len(value))
        return value


def charge(value: Any) -> Any:
    return current_budget.get().charge(value)


def as_text(value: Any) -> str:
    if not isinstance(value, (str, int, float, list, tuple, dict, Undefined, type(None))):
        raise ValueError(f"The chat template writes a {type(value).__name__}, which is no text.")
    return str(charge(value))


def concat(values: list[Any]) -> str:
    return charge("".join([as_text(value) for value in values]))


class Counted:
    """What a loop goes through. An iteration costs the text that the template has in it, too."""

    def __init__(self, values: Any, cost: int) -> None:
        self._values, self._cost = values, _COST_OF_AN_OBJECT + cost

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Any:
        budget = current_budget.get()
        for value in self._values:
            budget.spend(self._cost)
            yield value


def charge_in_advance(name: str, subject: Any, args: tuple[Any, ...]) -> None:
    """For what makes far more than it is given."""
    cost = 0
    if name == "replace" and isinstance(subject, str) and len(args) > 1:
        cost = subject.count(str(args[0])) * len(str(args[1]))
    elif name == "join":
        separator, values = (
            (subject, args[0]) if isinstance(subject, str) and args else (args[0] if args else "", subject)
        )
        cost = len(str(separator)) * len(values) if hasattr(values, "__len__") else 0
    elif name in ("split", "rsplit", "splitlines", "list") and hasattr(subject, "__len__"):
        parts = subject.count(args[0]) if isinstance(subject, str) and args and args[0] else len(subject)
        cost = _COST_OF_AN_OBJECT * parts
    current_budget.get().spend(cost)


def counted_filter(name: str, function: Any) -> Any:
    # jinja2 passes the context, the environment or a part of it first, where it is marked so
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def run(*given: Any, **kwargs: Any) -> Any:
        passed, (subject, *args) = given[:first], given[first:]
        subject = _made_list(subject)
        for value in (subject, *args, *kwargs.values()):
            charge(value)
        if name == "tojson" and any(
            len(str(value)) > 20 or value in range(17, 10**20) for value in (*args, *kwargs.values())
        ):
            raise ValueError("The chat template writes JSON with an indent or separators that are too long.")
        if name == "replace":
            subject = as_text(subject)
            args, kwargs = [*args, *(kwargs[key] for key in ("old", "new", "count") if key in kwargs)], {}
        if name in ("string", "join"):
            for value in subject if isinstance(subject, (list, tuple)) else [subject]:
                as_text(value)
        charge_in_advance(name, subject, (*args, *([kwargs["d"]] if "d" in kwargs else [])))
        return charge(_made_list(function(*passed, subject, *args, **kwargs)))

    return run


def _made_list(values: Any) -> Any:
    """The list of what a filter such as `map` would make one by one, later and uncounted."""
    return list(Counted(values, 0)) if isinstance(values, (Iterator, range)) else values


def counted_test(function: Any) -> Any:
    @wraps(function)
    def run(*args: Any) -> Any:
        for value in args:
            charge(value)
        return function(*args)

    return run
