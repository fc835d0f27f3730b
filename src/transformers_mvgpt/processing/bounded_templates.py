# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
An environment for chat templates with bounded time and memory.

A template comes with a repository and is a program: nested loops, or `'a' * 10**10`, would never end or fill the memory. jinja2's
sandbox keeps it from files and from Python's internals; here, all that can repeat or grow is counted too, each piece before
it is done. What a chat template has no use for, and what could grow in one call (`center`, `format`, ...), does not exist.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..video.limits import shorten
from .template_costs import (
    COST_PER_CHARACTER_SAID,
    MAX_COST,
    Budget,
    Counted,
    as_text,
    charge,
    charge_in_advance,
    concat,
    counted_filter,
    counted_test,
    current_budget,
)


try:
    from jinja2 import Environment, nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.runtime import LoopContext, Macro, Undefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.visitor import NodeTransformer
except ImportError as error:
    raise ImportError("Chat templates need jinja2: install it with `pip install jinja2`.") from error


MAX_TEMPLATE_CHARACTERS = 100_000

_FILTERS = (
    *("trim", "length", "count", "string", "lower", "upper", "title", "capitalize", "first", "last", "list", "items"),
    *(
        "reverse",
        "map",
        "select",
        "reject",
        "selectattr",
        "rejectattr",
        "default",
        "d",
        "int",
        "float",
        "abs",
        "tojson",
    ),
    *("safe", "e", "escape", "replace", "join", "dictsort", "unique", "sort", "min", "max"),
)
_TESTS = (
    *(
        "boolean",
        "callable",
        "defined",
        "divisibleby",
        "even",
        "false",
        "float",
        "integer",
        "iterable",
        "lower",
        "mapping",
    ),
    *("none", "number", "odd", "sameas", "sequence", "string", "true", "undefined", "upper"),
)
_TESTS_OF_TWO = (
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "eq",
    "equalto",
    "ne",
    "lt",
    "lessthan",
    "le",
    "gt",
    "greaterthan",
    "ge",
    "in",
)
_METHODS = {
    str: (
        *("strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "removeprefix"),
        *(
            "removesuffix",
            "lower",
            "upper",
            "title",
            "capitalize",
            "replace",
            "join",
            "find",
            "rfind",
            "index",
            "count",
        ),
        *("partition", "rpartition", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower"),
    ),
    dict: ("items", "keys", "values", "get"),
    list: ("index", "count"),
    tuple: ("index", "count"),
}


class RefusedChatError(ValueError):
    """The template itself says why it does not take a chat."""


@contextlib.contextmanager
def bounded_rendering(said: Iterable[str]) -> Iterator[None]:
    """
    What is rendered inside has a budget, and its errors are said in one line.

    Args:
        said (`Iterable[str]`): all that the chat says. Copying it is part of the budget.

    Raises:
        RefusedChatError: a `ValueError`, if the template refuses the chat.
        ValueError: if the template is wrong, or makes more than it may.
    """
    token = current_budget.set(Budget(MAX_COST + COST_PER_CHARACTER_SAID * sum(map(len, said))))
    try:
        yield
    except (
        MemoryError,
        RecursionError,
        TypeError,
        ArithmeticError,
        SyntaxError,
        LookupError,
        AttributeError,
    ) as error:
        raise ValueError(
            f"The chat template cannot be rendered: {type(error).__name__}: {shorten(str(error))}."
        ) from error
    except TemplateError as error:
        if type(error) is TemplateError:  # the template's own message
            raise RefusedChatError(shorten(str(error))) from error
        raise ValueError(f"The chat template is wrong: {shorten(str(error))}") from error
    finally:
        current_budget.reset(token)


def bounded_environment(original: Environment) -> Environment:
    """As the original, with its extensions, filters and functions, but bounded."""
    environment = _BoundedEnvironment(
        trim_blocks=original.trim_blocks,
        lstrip_blocks=original.lstrip_blocks,
        extensions=[type(extension) for extension in original.extensions.values()],
        # constants are not computed before there is a budget
        optimized=False,
        finalize=as_text,
    )
    environment.filters = {name: counted_filter(name, original.filters[name]) for name in _FILTERS}
    environment.filters |= {"_counted": Counted, "_concat": concat, "_charge": charge}
    environment.tests = {name: original.tests[name] for name in _TESTS}
    environment.tests |= {name: counted_test(original.tests[name]) for name in _TESTS_OF_TWO}
    left_out = ("lipsum", "cycler", "joiner")
    environment.globals = {name: value for name, value in original.globals.items() if name not in left_out}
    return environment


def check_template_length(chat_template: str) -> None:
    """
    Raises:
        ValueError: if the template is too long to be compiled.
    """
    if len(chat_template) > MAX_TEMPLATE_CHARACTERS:
        raise ValueError(
            f"The chat template has {len(chat_template):,} characters; at most {MAX_TEMPLATE_CHARACTERS:,} are taken. Use another "
            "one (`chat_template.jinja`)."
        )


class _Instrument(NodeTransformer):
    """Puts the counters into a parsed template."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise ValueError("The chat template has a recursive loop, which is not supported.")
        text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_counted", nodes.Const(text))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_concat")

    def visit_List(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_charge")

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_charge") if node.ctx == "load" else node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "_charge") if isinstance(node.arg, nodes.Slice) and node.ctx == "load" else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _filtered(node.expr, "_charge")
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, "_charge")
        return node


def _filtered(node: Any, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


class _BoundedEnvironment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _Instrument().visit(super()._parse(source, name, filename))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        budget = current_budget.get()
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise ValueError(
                f"The chat template uses {operator!r} on a {type(left).__name__}, which is not supported."
            )
        if operator == "*":
            for values, times in ((left, right), (right, left)):
                if isinstance(values, (str, list, tuple)) and isinstance(times, int) and times > 1:
                    before = budget.left
                    budget.charge(values)
                    budget.spend((len(values) if isinstance(values, str) else before - budget.left) * (times - 1))
        for value in (left, right):
            budget.charge(value)
        return budget.charge(super().call_binop(context, operator, left, right))

    def call(__self, __context: Any, __function: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        # keywords of the template must not meet names of parameters
        owner = getattr(__function, "__self__", None)
        name = getattr(__function, "__name__", type(__function).__name__)
        methods: tuple[str, ...] = next((names for kind, names in _METHODS.items() if isinstance(owner, kind)), ())
        is_global = any(__function is value for value in __self.globals.values())
        if not (
            is_global or isinstance(__function, (Macro, Undefined)) or isinstance(owner, (LoopContext, Extension))
        ):
            if name not in methods:
                raise ValueError(f"The chat template calls {shorten(name)!r}, which is not supported.")
            for value in args:
                charge(value)
            charge(owner)
            charge_in_advance(name, owner, args)
        elif isinstance(owner, LoopContext):
            charge(args)
        if name == "strftime_now" and not all(
            re.fullmatch(r"(%-?[A-Za-z%]|[^%]){0,100}", str(value)) for value in args
        ):
            raise ValueError("The chat template asks for a date in a format that is not supported.")
        return charge(super().call(__context, __function, *args, **kwargs))
