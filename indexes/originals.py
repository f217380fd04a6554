"""Files as they were when their documents were made: in a folder of the home, each under the SHA-256
of its bytes.

One file may be the original of several documents. It is written before the transaction that stores
its document, and removed after the one that let go of it; the catalog holds in its list of loose
ones whatever may be no document's, so a kill at any moment leaves nothing that the next clean-up
does not find. Whoever writes or cleans up holds the lock for the corpus (`ingest_lock`).
"""

import hashlib
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from indexes import durable
from indexes.errors import CorpusError
from indexes.kept_files import may_remove
from indexes.model import Actor
from indexes.private_files import private_folder

FOLDER = "originals"


class LooseOriginals(Protocol):
    """What the catalog knows of files that may be no document's: `indexes.catalog.originals`."""

    def expect(self, sha256: str, *, by: Actor) -> None:
        """A file will be there that is no document's yet."""
        ...

    def unused(self) -> list[str]:
        """Files that are no document's now."""
        ...

    def settle(self, removed: Collection[str], *, by: Actor) -> None:
        """These are gone, and of the others on the list each is a document's."""
        ...


class OriginalFolder:
    """Where they are. Ingestion writes here, and the service reads."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / FOLDER

    def path_of(self, sha256: str) -> Path:
        """Where the file is, if it is kept."""
        return self._folder / sha256[:2] / sha256

    def keep(self, sha256: str, blocks: Iterable[bytes], loose: LooseOriginals, by: Actor) -> None:
        """The bytes are on the disk under their hash, for a document that will be stored.

        Raises OSError, and ValueError for bytes of another hash.
        """
        loose.expect(sha256, by=by)
        path = self.path_of(sha256)
        if path.is_file():
            return
        private_folder(self._folder)
        private_folder(path.parent)
        durable.sync(self._folder)
        digest = hashlib.sha256()
        with durable.replace_file(path) as file:
            for block in blocks:
                digest.update(block)
                file.write(block)
            if digest.hexdigest() != sha256:
                raise ValueError("The bytes have another hash.")

    def clean_up(self, loose: LooseOriginals, by: Actor) -> int:
        """Removes what is no document's any more, and what killed runs left. Returns how many files.

        None while a backup is made. Raises CorpusError; what could not be removed is found again by
        the next clean-up.
        """
        with may_remove(self._home) as may:
            return self._clean_up(loose, by) if may else 0

    def _clean_up(self, loose: LooseOriginals, by: Actor) -> int:
        unused = loose.unused()
        try:
            for sha256 in unused:
                self._remove(self.path_of(sha256))
        except OSError as error:
            raise CorpusError(
                f"The file of a document that is gone cannot be removed: {error.strerror}.",
                remedy="Mend the cause: the next run removes it.",
            ) from error
        loose.settle(unused, by=by)
        return len(unused)

    def _remove(self, path: Path) -> None:
        if not path.parent.is_dir():
            return
        durable.remove_leftovers(path)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # others are in it
            path.parent.rmdir()
        durable.sync(self._folder)


def sha256_of(blocks: Iterable[bytes]) -> str:
    """In hex."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
