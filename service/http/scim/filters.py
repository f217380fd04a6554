"""A directory's filter as a condition that the catalog can look up.

What the catalog does not know by itself, such as addresses or telephone numbers, is left to the
library, which looks at each candidate; the condition then only spares it those that cannot match,
since nothing of what was sent has the text that is asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import EmailStr
from scim2_models import ScimFilter
from scim2_models.path import (
    AttributeBinding,
    AttrPath,
    CompareOperator,
    FilterVisitor,
    LogicalOperator,
    coerce_value,
)
from scim2_models.path.expressions import Comparison as Compared
from scim2_models.path.expressions import FilterNode, LogicalExpr, Not, Present, ValuePath

from indexes.catalog.directory.entries import Kind
from indexes.catalog.directory.search import (
    All,
    Comparison,
    Condition,
    Field,
    Mention,
    Negation,
    OneOf,
)

_FIELDS: dict[Kind, dict[str, Field]] = {
    "user": {"user_name": "name", "groups.value": "group"},
    "group": {"display_name": "name", "members.value": "member"},
}
_NOT_KEPT_AS_SENT = frozenset(
    {"active", "external_id", "groups", "id", "members", "meta", "password", "user_name"}
)
_OF_TEXT = frozenset(
    {CompareOperator.eq, CompareOperator.co, CompareOperator.sw, CompareOperator.ew}
)
_FIELDS_OF_BOTH: dict[str, Field] = {
    "id": "id",
    "external_id": "external_id",
    "meta.created": "created_at",
    "meta.last_modified": "changed_at",
}


def field_of(kind: Kind, binding: AttributeBinding | None) -> Field | None:
    """What the catalog knows of this attribute. If None, the library has to look."""
    if binding is None:
        return None
    name = ".".join(filter(None, (binding.field_name, binding.sub_field_name)))
    return _FIELDS_OF_BOTH.get(name) or _FIELDS[kind].get(name)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Whatever matches meets the condition. exact: and whatever meets it matches."""

    condition: Condition | None = None
    exact: bool = False


_UNKNOWN = Lookup()


def lookup_of(given: "ScimFilter[Any] | None", kind: Kind) -> Lookup:
    """Raises InvalidFilterException."""
    return Lookup(exact=True) if given is None else _Translator(given, kind).visit(given.ast)


class _Translator(FilterVisitor[Lookup]):
    def __init__(self, given: "ScimFilter[Any]", kind: Kind) -> None:
        self._filter, self._kind = given, kind

    def visit_comparison(self, node: Compared) -> Lookup:
        binding = self._filter.resolve_comparison(node.attr_path, strict=False)
        field = field_of(self._kind, binding)
        if field is None or binding is None:
            return self._mention(binding, node)
        value = coerce_value(binding, node.value, node.op)
        if not isinstance(value, str | datetime) or (isinstance(value, str) and "\0" in value):
            return _UNKNOWN  # no database takes that character
        asked = Comparison(field, node.op.value, value)
        return Lookup(asked, exact=True) if asked.is_indexed else _UNKNOWN

    def visit_present(self, node: Present) -> Lookup:
        return _UNKNOWN

    def visit_not(self, node: Not) -> Lookup:
        found = self.visit(node.expr)
        if not found.exact or found.condition is None:
            return _UNKNOWN
        return Lookup(Negation(found.condition), exact=True)

    def visit_logical_expr(self, node: LogicalExpr) -> Lookup:
        found = [self.visit(term) for term in node.terms]
        known = tuple(each.condition for each in found if each.condition is not None)
        exact = all(each.exact for each in found)
        if node.op == LogicalOperator.and_:
            return Lookup(All(known), exact)
        return Lookup(OneOf(known), exact) if len(known) == len(found) else _UNKNOWN

    def visit_value_path(self, node: ValuePath) -> Lookup:
        """`members[value eq "…"]`, which asks for a member as `members.value eq "…"` does."""
        member = linked_id(node)
        wanted = "members" if self._kind == "group" else "groups"
        if member is None or "\0" in member or node.attr_path.attr.lower() != wanted:
            return self._mentions_of_one_value(node)
        field: Field = "member" if self._kind == "group" else "group"
        return Lookup(Comparison(field, "eq", member), exact=True)

    def _mention(self, binding: AttributeBinding | None, node: Compared) -> Lookup:
        """Of an attribute that is kept as it was sent, and compared with a text."""
        if binding is None or binding.field_name in _NOT_KEPT_AS_SENT:
            return _UNKNOWN
        if node.op not in _OF_TEXT or binding.target_type not in (str, EmailStr):
            return _UNKNOWN
        value = coerce_value(binding, node.value, node.op)
        if not isinstance(value, str) or not Mention.is_plain(value):
            return _UNKNOWN
        return Lookup(Mention(value))

    def _mentions_of_one_value(self, node: ValuePath) -> Lookup:
        """`emails[type eq "work" and value eq "…"]`: each of these texts is there somewhere."""
        inner = node.val_filter
        is_all = isinstance(inner, LogicalExpr) and inner.op == LogicalOperator.and_
        terms = inner.terms if isinstance(inner, LogicalExpr) and is_all else (inner,)
        found = []
        for term in terms:
            if isinstance(term, Compared) and term.attr_path.sub_attr is None:
                outer = node.attr_path
                path = AttrPath(outer.attr, term.attr_path.attr, outer.uri)
                binding = self._filter.resolve_comparison(path, strict=False)
                found.append(self._mention(binding, term).condition)
        known = tuple(each for each in found if each is not None)
        return Lookup(All(known)) if known else _UNKNOWN


def linked_id(node: FilterNode | None) -> str | None:
    """The id in `…[value eq "id"]`. If None, the brackets ask for something else."""
    inner = node.val_filter if isinstance(node, ValuePath) else node
    if not isinstance(inner, Compared) or inner.op != CompareOperator.eq:
        return None
    is_value = inner.attr_path.attr.lower() == "value" and inner.attr_path.sub_attr is None
    return inner.value if is_value and isinstance(inner.value, str) else None
