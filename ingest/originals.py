"""Files that are kept as they were when their documents were made (`indexes.originals`)."""

import errno

from indexes.catalog import Catalog
from indexes.errors import SourceUnavailable, StorageFull
from indexes.model import Actor
from indexes.originals import OriginalFolder, sha256_of
from indexes.settings import Settings
from ingest.isolation.private_copy import PrivateCopy

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def keep_original(copy: PrivateCopy, settings: Settings, catalog: Catalog, by: Actor) -> str:
    """Keeps just the bytes that are parsed. Returns their SHA-256, for the document made of them.

    Raises StorageFull and SourceUnavailable.
    """
    try:
        sha256 = sha256_of(copy.blocks())
        OriginalFolder(settings.home).keep(sha256, copy.blocks(), catalog.originals, by)
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("The file of a document could not be kept.") from error
        raise SourceUnavailable(f"Its original cannot be kept: {error.strerror}.") from error
    return sha256
