"""What a template may say: so little that every template ends, stays small and reaches nothing but
what it is given.

Text, `{{ question }}`, `{{ passage.title }}`, `{% if … %}`, and loops over `passages` or `history`,
one inside none. No call, no arithmetic, no name of its own: what is rendered has at most (source ×
items + what is shown) characters, and `fill_template` stops it if that is more than anybody could want.
The sandbox of Jinja stands behind this as a second wall.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2 import Template as Compiled
from jinja2.sandbox import ImmutableSandboxedEnvironment

from indexes.errors import BadInput

VARIABLES = ("question", "passages", "history", "boundary", "no_answer")
"""What a template may use.

A passage has n, title, place, text and line (one line of text); a turn role and text.
"""

LISTS: Mapping[str, tuple[str, ...]] = {
    "passages": ("n", "title", "place", "text", "line"),
    "history": ("role", "text"),
}
LOOP = ("index", "first", "last")
FILTERS = ("trim", "upper", "lower", "capitalize")
MAX_SOURCE = 20_000  # characters
DEEPEST = 20  # of `if` and of conditions inside each other
TIMES_SHOWN = 3  # how often a template may show all that it is given

_SANDBOX = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)


def fill_template(source: str, variables: Mapping[str, Any]) -> str:
    """The source with its variables filled in.

    Raises BadInput if it is wrong or grows out of proportion.
    """
    items = max((len(variables.get(name, ())) for name in LISTS), default=0)
    most = len(source) * (1 + items) + TIMES_SHOWN * sum(
        _count_characters(value) for value in variables.values()
    )
    pieces: list[str] = []
    try:
        for piece in _compile(source).generate(variables):
            pieces.append(piece)
            most -= len(piece)
            if most < 0:
                raise BadInput(
                    f"The template shows more than {TIMES_SHOWN} times what it is given.",
                    remedy="Show each passage once.",
                )
    except TemplateError as error:  # a variable that this part is not given
        raise BadInput(f"The template cannot be filled in: {error}.") from error
    return "".join(pieces)


def check_part(part: str, source: str, allowed: Iterable[str]) -> frozenset[str]:
    """The variables that a part of a template uses.

    Raises BadInput: the line, the reason, what to do instead.
    """
    try:
        return _Checker(frozenset(allowed)).check_template(_parse(source))
    except BadInput as error:
        raise BadInput(f"In `{part}`: {error.detail}", remedy=error.remedy) from error


def count_loops(source: str, over: str) -> int:
    """How many loops over this list there are in a source, wherever they stand."""
    every = _parse(source).find_all(nodes.For)
    return sum(isinstance(loop.iter, nodes.Name) and loop.iter.name == over for loop in every)


def find_parts_always_shown(source: str) -> tuple[str, ...]:
    """What stands in a checked source outside of every `if`, in order: names of variables, and
    loops as `for passages`.

    What a loop over passages always shows of each is there as `passages.n` and so on, after it.
    """
    return tuple(_iterate_always_shown(_parse(source).body))


@lru_cache(maxsize=256)
def _compile(source: str) -> Compiled:
    # before Jinja computes anything: it folds constants while it compiles
    check_part("template", source, VARIABLES)
    try:
        return _SANDBOX.from_string(source)
    except (RecursionError, SyntaxError, MemoryError) as error:  # more branches than Python takes
        raise BadInput("It has too many branches.", remedy="Write it simpler.") from error


def _parse(source: str) -> nodes.Template:
    if len(source) > MAX_SOURCE:
        raise BadInput(f"It has {len(source)} characters.", remedy=f"Keep it to {MAX_SOURCE}.")
    try:
        return _SANDBOX.parse(source)
    except TemplateError as error:
        line = getattr(error, "lineno", None) or 1
        raise BadInput(
            f"Line {line}: {error}", remedy="See examples/templates/ for what can be written."
        ) from error
    except (RecursionError, ValueError) as error:
        raise BadInput(
            "It is nested too deeply, or holds a number too long.", remedy="Write it simpler."
        ) from error


class _Checker:
    """Walks a parsed source and lets through what it knows; everything else is refused."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._used: set[str] = set()
        # inside a loop: the name of an item, and of the list it is from
        self._item: tuple[str, str] | None = None

    def check_template(self, template: nodes.Template) -> frozenset[str]:
        self._check_body(template.body, 0)
        return frozenset(self._used)

    def _check_body(self, body: Sequence[nodes.Node], depth: int) -> None:
        for node in body:
            if isinstance(node, nodes.Output):
                for shown in node.nodes:
                    self._check_text(shown, depth)
            elif isinstance(node, nodes.If):
                self._check_if(node, _go_deeper(node, depth))
            elif isinstance(node, nodes.For):
                self._check_loop(node, _go_deeper(node, depth))
            else:
                raise _refusal(node, f"`{type(node).__name__.lower()}` is not known here.")

    def _check_if(self, node: nodes.If, depth: int) -> None:
        for branch in (node, *node.elif_):
            self._check_condition(branch.test, depth)
            self._check_body(branch.body, depth)
        self._check_body(node.else_, depth)

    def _check_loop(self, node: nodes.For, depth: int) -> None:
        plain = (
            isinstance(node.iter, nodes.Name)
            and node.iter.name in LISTS
            and isinstance(node.target, nodes.Name)
        )
        if not plain or node.test is not None or node.recursive:
            raise _refusal(node, "A loop goes over passages or history, and nothing else.")
        if self._item is not None:
            raise _refusal(node, "A loop stands inside a loop.")
        assert isinstance(node.iter, nodes.Name)
        assert isinstance(node.target, nodes.Name)
        if node.target.name in (*VARIABLES, "loop"):
            raise _refusal(
                node, f"`{node.target.name}` has a meaning already; an item needs another name."
            )
        self._use_variable(node.iter)
        self._item = (node.target.name, node.iter.name)
        self._check_body(node.body, depth)
        self._item = None
        self._check_body(node.else_, depth)

    def _check_text(self, node: nodes.Node, depth: int) -> None:
        """An expression that gives text."""
        if isinstance(node, nodes.TemplateData | nodes.Const):
            return
        if isinstance(node, nodes.Name) and node.name not in LISTS:
            self._use_variable(node)
        elif isinstance(node, nodes.Getattr):
            self._check_attribute(node)
        elif isinstance(node, nodes.Filter) and node.node is not None and not _has_arguments(node):
            if node.name not in FILTERS:
                raise _refusal(
                    node, f"There is no filter `{node.name}`; there are {', '.join(FILTERS)}."
                )
            self._check_text(node.node, _go_deeper(node, depth))
        elif isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            self._check_condition(node.test, _go_deeper(node, depth))
            self._check_text(node.expr1, _go_deeper(node, depth))
            self._check_text(node.expr2, _go_deeper(node, depth))
        else:
            raise _refusal(node, _explain_refusal(node))

    def _check_condition(self, node: nodes.Node, depth: int) -> None:
        """An expression that is true or false."""
        depth = _go_deeper(node, depth)
        if isinstance(node, nodes.Not):
            self._check_condition(node.node, depth)
        elif isinstance(node, nodes.And | nodes.Or):
            self._check_condition(node.left, depth)
            self._check_condition(node.right, depth)
        elif isinstance(node, nodes.Compare):
            if any(operand.op not in ("eq", "ne") for operand in node.ops):
                raise _refusal(node, "A comparison is `==` or `!=`.")
            for side in (node.expr, *(operand.expr for operand in node.ops)):
                self._check_text(side, depth)
        elif isinstance(node, nodes.Name):
            self._use_variable(node)
        else:
            self._check_text(node, depth)

    def _check_attribute(self, node: nodes.Getattr) -> None:
        of = node.node.name if isinstance(node.node, nodes.Name) else None
        item, of_list = self._item or (None, "")
        known = (
            LOOP
            if of == "loop" and item
            else LISTS[of_list]
            if of is not None and of == item
            else ()
        )
        if not known:
            raise _refusal(node, f"Nothing can be taken from `{of or '…'}` by `.{node.attr}`.")
        if node.attr not in known:
            raise _refusal(node, f"`{of}` has no `{node.attr}`; it has {', '.join(known)}.")

    def _use_variable(self, node: nodes.Name) -> None:
        if node.name not in self._allowed:
            known = ", ".join(name for name in VARIABLES if name in self._allowed) or "no variable"
            raise _refusal(
                node,
                f"`{node.name}` is not declared here; there is {known}.",
                "Correct or declare it.",
            )
        self._used.add(node.name)


def _iterate_always_shown(body: Sequence[nodes.Node]) -> Iterator[str]:
    for node in body:
        if isinstance(node, nodes.Output):
            yield from (shown.name for shown in node.nodes if isinstance(shown, nodes.Name))
        elif isinstance(node, nodes.For) and isinstance(node.iter, nodes.Name):
            yield f"for {node.iter.name}"
            inside = (
                shown
                for output in node.body
                if isinstance(output, nodes.Output)
                for shown in output.nodes
            )
            yield from (
                f"{node.iter.name}.{shown.attr}"
                for shown in inside
                if isinstance(shown, nodes.Getattr)
            )


def _has_arguments(node: nodes.Filter) -> bool:
    return bool(node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)


def _go_deeper(node: nodes.Node, depth: int) -> int:
    if depth >= DEEPEST:
        raise _refusal(node, "It is nested too deeply.")
    return depth + 1


def _explain_refusal(node: nodes.Node) -> str:
    match node:
        case nodes.Call():
            return "Nothing can be called."
        case nodes.BinExpr() | nodes.UnaryExpr() | nodes.Concat():
            return "Nothing is computed."
        case nodes.Name():
            return f"`{node.name}` is a list; it is shown by a loop."
        case nodes.Filter():
            return f"The filter `{node.name}` takes nothing in brackets."
    return f"`{type(node).__name__.lower()}` cannot be shown."


def _refusal(node: nodes.Node, why: str, remedy: str | None = None) -> BadInput:
    allowed = (
        "Use text, variables, `if`, and `for` over passages or history; see examples/templates/."
    )
    return BadInput(f"Line {node.lineno}: {why}", remedy=remedy or allowed)


def _count_characters(value: object) -> int:
    """Characters of all text in a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_count_characters(each) for each in value.values())
    if isinstance(value, Sequence):
        return sum(_count_characters(each) for each in value)
    return _count_characters(getattr(value, "text", ""))  # a turn
