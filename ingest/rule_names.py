"""Whom the rules of a run mean: names against the people of the catalog, anew at every run.

Former names lead to whoever had them. A name that nobody has declared is reported. If a rule denies
such a name, its files are refused: the rule would deny nobody, and its writer would not notice.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from indexes.catalog import Catalog
from indexes.catalog.names import ResolvedNames, Unknown
from indexes.errors import NoReaders
from indexes.model import Readers
from ingest.judged_files import SourceFile
from ingest.sources import Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownName:
    """A name in the rules of a run that nobody has declared."""

    unknown: Unknown
    files: int
    refused: bool  # these files are not taken in; else the name is kept and means nobody

    def __str__(self) -> str:
        files = "1 file names it" if self.files == 1 else f"{self.files} files name it"
        come_to = "and is refused" if self.files == 1 else "and are refused"
        return (
            f"{self.unknown} {files} {come_to}."
            if self.refused
            else f"{self.unknown} {files}; it means nobody."
        )

    def as_dict(self) -> dict[str, Any]:
        told = {"name": self.unknown.name, "nearest": self.unknown.nearest}
        return told | {"files": self.files, "refused": self.refused}


def resolve_names(
    found: Scan, catalog: Catalog | None, *, refuse: bool
) -> tuple[Scan, tuple[UnknownName, ...]]:
    """The scan with everybody under the present name, and the names that are unknown.

    catalog: if None, nobody is declared yet.

    A file whose rule denies somebody unknown has no readers then, only a problem; with `refuse` one
    that allows somebody unknown, too.
    """
    everything = (*found.sources, *found.missing)
    rules = Counter(source.readers for source in everything if source.readers)
    names = {name for rule in rules for name in rule.allow | rule.deny}
    meaning = catalog.people.meaning(names) if catalog else ResolvedNames.without_catalog(names)
    resolved = {rule: _resolve_rule(rule, meaning, refuse=refuse) for rule in rules}
    unknown = _count_unknown(rules, resolved, meaning)
    sources, missing = (
        tuple(
            _resolve_source(source, resolved[source.readers]) if source.readers else source
            for source in given
        )
        for given in (found.sources, found.missing)
    )
    return replace(found, sources=sources, missing=missing), unknown


def describe_difference(before: Readers, after: Readers) -> str:
    """What changes, for people: `+ group:hr, - user:eve, + deny user:bob`."""
    both = (("", before.allow, after.allow), ("deny ", before.deny, after.deny))
    parts = [
        f"+ {what}{_display_name(name)}" for what, old, new in both for name in sorted(new - old)
    ]
    parts += [
        f"- {what}{_display_name(name)}" for what, old, new in both for name in sorted(old - new)
    ]
    return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class _ResolvedRule:
    readers: Readers | None  # None if the rule cannot be used
    problem: NoReaders | None
    unknown: frozenset[str]  # names in it that nobody has declared


def _resolve_rule(rule: Readers, meaning: ResolvedNames, *, refuse: bool) -> _ResolvedRule:
    denied, allowed = meaning.unknown_in(rule.deny), meaning.unknown_in(rule.allow)
    unknown = frozenset(each.name for each in (*denied, *allowed))
    if refused := denied or (allowed if refuse else ()):
        problem = _unknown_name_problem(refused, "denies" if denied else "allows")
        return _ResolvedRule(None, problem, unknown)
    return _ResolvedRule(meaning.readers(rule), None, unknown)


def _resolve_source(source: SourceFile, resolved: _ResolvedRule) -> SourceFile:
    if resolved.readers is None:
        return replace(source, readers=None, problem=source.problem or resolved.problem)
    return (
        source if resolved.readers == source.readers else replace(source, readers=resolved.readers)
    )


def _count_unknown(
    rules: Counter[Readers], resolved: Mapping[Readers, _ResolvedRule], meaning: ResolvedNames
) -> tuple[UnknownName, ...]:
    seen: Counter[tuple[str, bool]] = Counter()
    for rule, files in rules.items():
        for name in resolved[rule].unknown:
            seen[name, resolved[rule].readers is None] += files
    return tuple(
        UnknownName(unknown=meaning.unknown[name], files=files, refused=refused)
        for (name, refused), files in sorted(seen.items())
    )


def _unknown_name_problem(unknown: Iterable[Unknown], what: str) -> NoReaders:
    told = " ".join(str(each) for each in unknown)
    remedy = "Correct the name in the rule, or declare it: clearance users add NAME, clearance groups add NAME."
    return NoReaders(f"Its rule {what} somebody unknown: {told}", remedy=remedy)


def _display_name(name: str) -> str:
    """A name as rules say it; of somebody removed without the mark that keeps it apart from the
    next of that name.
    """
    plain, mark, _ = name.partition("#")
    return f"{plain} (removed)" if mark else plain
