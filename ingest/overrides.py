"""What was said of single paths over HTTP, for the files that a run finds there."""

from dataclasses import replace

from indexes.catalog import Catalog
from indexes.catalog.overrides import Override, uris_over
from indexes.errors import SourceRefused
from ingest.judged_files import SourceFile
from ingest.sources import Scan


def apply_overrides(found: Scan, catalog: Catalog | None) -> Scan:
    """The scan with own readers, titles and deletions. What was said of an archive holds for each
    file in it.
    """
    said = {
        uri: override
        for root in found.roots
        if catalog
        for uri, override in catalog.overrides.below(root.prefix).items()
    }
    if not said:
        return found
    sources, missing = (
        tuple(_apply(source, said) for source in given) for given in (found.sources, found.missing)
    )
    return replace(found, sources=sources, missing=missing)


def _apply(source: SourceFile, said: dict[str, Override]) -> SourceFile:
    for uri in uris_over(source.uri):
        if uri in said:
            source = _apply_one(source, said[uri], is_file=uri == source.uri)
    return source


def _apply_one(source: SourceFile, said: Override, *, is_file: bool) -> SourceFile:
    """is_file: it was said of this very file, and not of the archive that it is in."""
    if said.deleted:
        gone = SourceRefused("It was deleted over HTTP.", remedy="`clearance worker` removes it.")
        return replace(source, problem=gone)
    own = said.own if source.own is None or said.own is None else source.own.and_also(said.own)
    return replace(
        source,
        own=own or source.own,
        title=(said.title if is_file else None) or source.title,
        collection=said.collection or source.collection,
        metadata={**source.metadata, **said.metadata},
    )
