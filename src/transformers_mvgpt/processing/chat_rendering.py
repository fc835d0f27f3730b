# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Renders chat templates with bounded time and memory.

A template comes with a repository and is a program: nested loops, or `'a' * 10**10`, would never end or fill the memory. transformers'
sandbox keeps it from files and from Python's internals; here, all that can repeat or grow is counted too, each piece before
it is done. What a chat template has no use for, and what could grow in one call (`center`, `format`, ...), does not exist.
"""

import re
import types
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Any

from transformers.utils import chat_template_utils

from ..video.limits import shorten
from .chat_messages import texts_of


try:
    from jinja2 import meta, nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.runtime import LoopContext, Macro, Undefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.visitor import NodeTransformer
except ImportError as error:
    raise ImportError("Chat templates need jinja2: install it with `pip install jinja2`.") from error


MAX_TEMPLATE_CHARACTERS = 100_000

# Characters made, and 64 for each object, iteration and call: some seconds and some hundred MB at most. Copying what users say
# comes on top, a template does that several times.
_MAX_COST = 32_000_000
_COST_PER_CHARACTER_SAID = 1000
_COST_OF_AN_OBJECT = 64
_MAX_BITS = 10_000

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
_budget: ContextVar["_Budget"] = ContextVar("_budget")


def render_chat(
    chat_template: str, messages: list[dict[str, Any]], **options: Any
) -> tuple[str, list[tuple[int, int]]]:
    r"""
    Renders a chat as transformers' `render_jinja_template` does, which knows the options.

    Args:
        chat_template: Template of a chat.
        messages: The chat.
        options: `tools`, `documents`, `add_generation_prompt`, `continue_final_message`, `return_assistant_tokens_mask`, and the
            template's own variables.

    Returns:
        The prompt; and, where `return_assistant_tokens_mask` is true, where in it the assistant's words begin and end.

    Raises:
        ValueError: if the template is wrong, refuses the chat, or makes more than it may.
    """
    said = sum(map(len, texts_of([messages, options.get("tools"), options.get("documents")])))
    token = _budget.set(_Budget(_MAX_COST + _COST_PER_CHARACTER_SAID * said))
    try:
        [prompt], spans = _render_jinja_template([messages], chat_template=chat_template, **options)
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
            raise ValueError(shorten(str(error))) from error
        raise ValueError(f"The chat template is wrong: {shorten(str(error))}") from error
    finally:
        _budget.reset(token)
    return prompt, spans[0] if spans else []


def template_variables(chat_template: str) -> frozenset[str]:
    """Names of the variables that the template takes."""
    return _variables(chat_template)


class _Budget:
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


def _charge(value: Any) -> Any:
    return _budget.get().charge(value)


def _as_text(value: Any) -> str:
    if not isinstance(value, (str, int, float, list, tuple, dict, Undefined, type(None))):
        raise ValueError(f"The chat template writes a {type(value).__name__}, which is no text.")
    return str(_charge(value))


def _concat(values: list[Any]) -> str:
    return _charge("".join([_as_text(value) for value in values]))


class _Counted:
    """What a loop goes through. An iteration costs the text that the template has in it, too."""

    def __init__(self, values: Any, cost: int) -> None:
        self._values, self._cost = values, _COST_OF_AN_OBJECT + cost

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Any:
        budget = _budget.get()
        for value in self._values:
            budget.spend(self._cost)
            yield value


def _charge_in_advance(name: str, subject: Any, args: tuple[Any, ...]) -> None:
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
    _budget.get().spend(cost)


def _counted_filter(name: str, function: Any) -> Any:
    # jinja2 passes the context, the environment or a part of it first, where it is marked so
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def run(*given: Any, **kwargs: Any) -> Any:
        passed, (subject, *args) = given[:first], given[first:]
        subject = _made_list(subject)
        for value in (subject, *args, *kwargs.values()):
            _charge(value)
        if name == "tojson" and any(
            len(str(value)) > 20 or value in range(17, 10**20) for value in (*args, *kwargs.values())
        ):
            raise ValueError("The chat template writes JSON with an indent or separators that are too long.")
        if name == "replace":
            subject = _as_text(subject)
            args, kwargs = [*args, *(kwargs[key] for key in ("old", "new", "count") if key in kwargs)], {}
        if name in ("string", "join"):
            for value in subject if isinstance(subject, (list, tuple)) else [subject]:
                _as_text(value)
        _charge_in_advance(name, subject, (*args, *([kwargs["d"]] if "d" in kwargs else [])))
        return _charge(_made_list(function(*passed, subject, *args, **kwargs)))

    return run


def _made_list(values: Any) -> Any:
    """The list of what a filter such as `map` would make one by one, later and uncounted."""
    return list(_Counted(values, 0)) if isinstance(values, (Iterator, range)) else values


def _counted_test(function: Any) -> Any:
    @wraps(function)
    def run(*args: Any) -> Any:
        for value in args:
            _charge(value)
        return function(*args)

    return run


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
        budget = _budget.get()
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
                _charge(value)
            _charge(owner)
            _charge_in_advance(name, owner, args)
        elif isinstance(owner, LoopContext):
            _charge(args)
        if name == "strftime_now" and not all(
            re.fullmatch(r"(%-?[A-Za-z%]|[^%]){0,100}", str(value)) for value in args
        ):
            raise ValueError("The chat template asks for a date in a format that is not supported.")
        return _charge(super().call(__context, __function, *args, **kwargs))


@lru_cache(maxsize=16)
def _compile(chat_template: str) -> Any:
    return _environment().from_string(chat_template)


@lru_cache(maxsize=16)
def _variables(chat_template: str) -> frozenset[str]:
    _check_length(chat_template)
    return frozenset(meta.find_undeclared_variables(_environment().parse(chat_template)))


@lru_cache(maxsize=1)
def _environment() -> _BoundedEnvironment:
    """As transformers' own, with its extensions, filters and functions."""
    original = chat_template_utils._compile_jinja_template("").environment
    environment = _BoundedEnvironment(
        trim_blocks=original.trim_blocks,
        lstrip_blocks=original.lstrip_blocks,
        extensions=[type(extension) for extension in original.extensions.values()],
        # constants are not computed before there is a budget
        optimized=False,
        finalize=_as_text,
    )
    environment.filters = {name: _counted_filter(name, original.filters[name]) for name in _FILTERS}
    environment.filters |= {"_counted": _Counted, "_concat": _concat, "_charge": _charge}
    environment.tests = {name: original.tests[name] for name in _TESTS}
    environment.tests |= {name: _counted_test(original.tests[name]) for name in _TESTS_OF_TWO}
    left_out = ("lipsum", "cycler", "joiner")
    environment.globals = {name: value for name, value in original.globals.items() if name not in left_out}
    return environment


def _check_length(chat_template: str) -> None:
    if len(chat_template) > MAX_TEMPLATE_CHARACTERS:
        raise ValueError(
            f"The chat template has {len(chat_template):,} characters; at most {MAX_TEMPLATE_CHARACTERS:,} are taken. Use another "
            "one (`chat_template.jinja`)."
        )


def _compile_checked(chat_template: str) -> Any:
    _check_length(chat_template)
    return _compile(chat_template)


# transformers' function, which compiles templates with ours where its own would
_render_jinja_template: Any = types.FunctionType(
    chat_template_utils.render_jinja_template.__code__,
    {**vars(chat_template_utils), "_compile_jinja_template": _compile_checked},
    "render_jinja_template",
    chat_template_utils.render_jinja_template.__defaults__,
)
