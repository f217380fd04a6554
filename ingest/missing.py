"""Stored documents whose files are not there, and who may still read them.

Such a document stays until it is pruned. Meanwhile it is for no more people than a file in its
place would be: whoever narrows the rule of a folder need not know which of its files are gone.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from indexes.errors import NoReaders
from indexes.formats import INSIDE
from indexes.model import Readers
from ingest.access import AccessRules, FolderRule, unusable_rule
from ingest.judged_files import SourceFile
from ingest.roots import Root
from ingest.sources import Scan
from ingest.tree import Tree, Way


def find_missing(found: Scan, stored: Collection[str], rules: AccessRules) -> Scan:
    """The scan with what is stored and has no file, under the rules of this run.

    stored: the uris that the catalog holds below the scanned roots. Without readers if no rule for
    the place can be used.
    """
    folders = {root.prefix: _Folders(root.tree, rules) for root in found.roots if root.tree}
    missing = (
        _make_missing(uri, root, folders[root.prefix]) for uri, root in missing_uris(found, stored)
    )
    return replace(found, missing=tuple(missing))


def missing_uris(found: Scan, stored: Collection[str]) -> Iterator[tuple[str, Root]]:
    """Stored documents without a file, each with the root that it was below, in order of uri.

    Below what could not be listed nothing is known to be missing.
    """
    there = {source.uri for source in found.sources}
    for uri in sorted(set(stored) - there):
        if not uri.startswith(found.blind):
            yield from ((uri, root) for root in found.roots if root.covers(uri))


def _make_missing(uri: str, root: Root, folders: "_Folders") -> SourceFile:
    if root.source is None:
        raise ValueError(f"{root.place} was not assigned to a source")
    parts = root.source.parts_of(uri.partition(INSIDE)[0])
    file = folders.tree.place.joinpath(*parts)
    readers: Readers | None = None
    try:
        rule = folders.rule_at(parts[:-1])
        readers = folders.rules.readers(file, rule, root.source.readers)
    except NoReaders:
        pass
    return SourceFile(
        file=file, uri=uri, path=root.path_of(uri), rule=readers, readers=readers,
        source_id=root.source.id,
    )  # fmt: skip


class _Folders:
    """Rules of folders that may be gone. Most of what is missing was in a few of them."""

    def __init__(self, tree: Tree, rules: AccessRules) -> None:
        self.tree, self.rules = tree, rules
        self._way = Way()
        self._known: dict[tuple[str, ...], FolderRule] = {}

    def rule_at(self, folder: tuple[str, ...]) -> FolderRule:
        """The rule for a file in this folder, or in the nearest above it that is there."""
        if folder not in self._known:
            self._known[folder] = self._look_up(folder)
        return self._known[folder]

    def _look_up(self, folder: tuple[str, ...]) -> FolderRule:
        try:
            with self._way.reach(self.tree, folder, self.rules) as (_, rule):
                return rule
        except (FileNotFoundError, NotADirectoryError):
            return self.rule_at(folder[:-1])
        except OSError as error:
            return unusable_rule("/".join(folder), f"it cannot be opened: {error.strerror}")
