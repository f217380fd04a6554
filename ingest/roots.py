"""The paths that were asked for, opened, as places in their sources."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from indexes.catalog import Catalog
from indexes.catalog.sources import NamedSource
from indexes.errors import BadInput, NotFound
from indexes.formats import INSIDE
from indexes.model import Actor
from ingest.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Root:
    """One path that was asked for, as it was when it was opened."""

    place: Path
    is_folder: bool
    source: NamedSource | None = None  # that it belongs to
    # held open: its source, or itself or its folder
    tree: Tree | None = field(default=None, compare=False, repr=False)

    @property
    def start(self) -> tuple[str, ...]:
        """Where in its tree the scan begins."""
        if self.source is not None:
            return self.place.relative_to(self.source.root).parts
        return () if self.is_folder else (self.place.name,)

    @cached_property
    def prefix(self) -> str:
        """What the uri of every file below begins with."""
        if self.source is not None and not self.start:
            return self.source.prefix
        uri = self.uri(self.place)
        return uri.rstrip("/") + "/" if self.is_folder else uri

    def uri(self, place: Path) -> str:
        return (
            self.source.uri(place.relative_to(self.source.root).parts)
            if self.source
            else place.as_uri()
        )

    def covers(self, uri: str) -> bool:
        if self.is_folder:
            return uri.startswith(self.prefix)
        return uri == self.prefix or uri.startswith(self.prefix + INSIDE)

    def path(self, place: Path) -> str:
        """The path that readers see, as text that can be stored, whatever bytes the name has."""
        if self.source is not None:
            return self.source.path(place.relative_to(self.source.root).parts)
        below = place.relative_to(self.place).as_posix() if place != self.place else ""
        path = "/".join(part for part in (self.place.name, below) if part) or "/"
        return os.fsencode(path).decode("utf-8", "replace")

    def path_of(self, uri: str) -> str:
        """The path that readers see, for a uri that this root covers."""
        uri = uri.replace(INSIDE, "/")
        if self.source is not None:
            return self.source.path_of(uri)
        below = unquote(uri.removeprefix(self.prefix), errors="replace")
        return "/".join(part for part in (self.place.name, below) if part)


def find_roots(paths: Sequence[Path]) -> tuple[Root, ...]:
    """The given paths, opened, those below another left out.

    Raises BadInput for one that is not there.

    A given path may lead through links, since whoever gives it may name any file; nothing below it
    may.
    """
    roots: dict[Path, Root] = {}
    for path in paths:
        try:
            root = _open_root(path)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{path} cannot be found.", remedy="Name a file or a folder that exists."
            ) from error
        roots.setdefault(root.place, root)
    return tuple(
        root for place, root in roots.items() if not any(other in place.parents for other in roots)
    )


def _open_root(path: Path) -> Root:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        about, place = os.fstat(descriptor), Path(f"/proc/self/fd/{descriptor}").readlink()
        if stat.S_ISDIR(about.st_mode):
            tree = Tree.open(Path(f"/proc/self/fd/{descriptor}"))
            return Root(place=tree.place, is_folder=True, tree=tree)
        return Root(place=place, is_folder=False, tree=Tree.open(place.parent))
    finally:
        os.close(descriptor)


def assign_sources(
    roots: Sequence[Root], catalog: Catalog | None, *, make_by: Actor | None
) -> tuple[Root, ...]:
    """The same roots as places in their sources.

    make_by: who makes sources that are missing. If None, they are only imagined.

    Raises BadInput if a root cannot be in a source, or if its source is not in its former place.
    """
    return tuple(_assign_source(root, catalog, make_by) for root in roots)


def assign_named_source(
    roots: Sequence[Root], name: str, catalog: Catalog | None
) -> tuple[Root, ...]:
    """The one root as the folder of this source: the same folder may have other names on other
    machines.
    """
    if len(roots) != 1 or not roots[0].is_folder:
        raise BadInput("--source takes one folder: the root of the source.")
    if catalog is None:
        raise NotFound(f"There is no source {name}.")
    (root,) = roots
    return (replace(root, source=replace(catalog.sources.get(name), root=root.place)),)


def _source_of(root: Root, catalog: Catalog | None, make_by: Actor | None) -> NamedSource:
    """The one in the catalog, which is made if there is none and `make_by` is given; else one that
    is nowhere stored.
    """
    source = None
    if catalog is not None and make_by is not None:
        source = catalog.sources.ensure(root.place, is_folder=root.is_folder, by=make_by)
    elif catalog is not None:
        source = catalog.sources.find(root.place, is_folder=root.is_folder)
    if source is not None:
        return source
    place, shown = (root.place, root.place.name) if root.is_folder else (root.place.parent, "")
    return NamedSource(
        id=0, name=shown or place.name, root=place, shown=shown, loose=not root.is_folder
    )


def _assign_source(root: Root, catalog: Catalog | None, make_by: Actor | None) -> Root:
    source = _source_of(root, catalog, make_by)
    if root.tree is not None and root.tree.place == source.root:
        return replace(root, source=source)
    try:
        tree = Tree.open(source.root)
    except OSError as error:
        raise BadInput(f"The source {source.name} cannot be opened at {source.root}.") from error
    if tree.place != source.root:
        remedy = f"If it is the same folder: clearance sources move {source.name} {tree.place}"
        raise BadInput(
            f"The source {source.name} was at {source.root}, which is a link now.", remedy=remedy
        )
    return replace(root, source=source, tree=tree)
