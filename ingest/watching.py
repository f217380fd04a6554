"""A folder that is followed: what changed becomes requests to ingest just that.

Whether there is something to do is said by the file system; what is done, every run decides anew from
the files themselves, so an event that is late, lost or twice does no harm.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from watchfiles import Change, watch

from indexes.errors import BadInput, Busy, ClearanceError
from indexes.file_names import is_ignored
from indexes.job_kinds import IngestRequest
from indexes.lookalikes import ACCESS_FILE, find_lookalikes

DEBOUNCE_MS = 1_600  # changes that follow each other closely are taken together
AGAIN_S = 2.0  # until the next look at a folder that is away, or at a corpus that is in use
MANY = 200  # files that changed together: then the whole folder is looked at

Perform = Callable[[IngestRequest], None]
"""Carries a request out, or puts it into the queue. Raises Busy if that has to wait."""

log = logging.getLogger(__name__)


class FolderWatch:
    """Follows one folder. request: for the whole of it."""

    def __init__(
        self, request: IngestRequest, perform: Perform, *, debounce_ms: int = DEBOUNCE_MS
    ) -> None:
        self._folder = request.paths[0].resolve()
        self._request = request.model_copy(update={"paths": (self._folder,)})
        self._perform = perform
        self._debounce_ms = debounce_ms

    def follow(self) -> None:
        """Until it is interrupted. Raises BadInput if there is no such folder at the start."""
        if not self._folder.is_dir():
            raise BadInput(f"{self._folder} is no folder.", remedy="Name one that exists.")
        while True:
            try:
                for changes in self._batches():
                    for request in requests_for(self._request, changes):
                        self._perform_patiently(request)
            except FileNotFoundError:
                pass
            log.warning("%s is away. Nothing is withdrawn until it is back.", self._folder)
            while not self._folder.is_dir():
                time.sleep(AGAIN_S)

    def _batches(self) -> Iterator[set[tuple[Change, str]] | None]:
        """What changed, batch by batch; None first: everything may have, before the folder was
        watched. Ends with the folder.

        Raises FileNotFoundError.
        """
        changed = watch(
            self._folder,
            watch_filter=None,
            debounce=self._debounce_ms,
            rust_timeout=500,
            yield_on_timeout=True,
            raise_interrupt=True,
        )
        next(changed)  # from here on nothing is missed
        yield None
        for batch in changed:
            if not self._folder.is_dir():
                return
            if batch:
                yield batch

    def _perform_patiently(self, request: IngestRequest) -> None:
        while True:
            try:
                self._perform(request)
                return
            except Busy as error:
                log.info("%s", error)
                time.sleep(AGAIN_S)
            except ClearanceError as error:  # the next change begins anew
                log.error("%s %s", error, error.remedy or "")
                return


def requests_for(
    whole: IngestRequest, changes: Iterable[tuple[Change, str]] | None
) -> list[IngestRequest]:
    """What to ingest after these changes; None: everything may have changed.

    Only a run over the whole folder removes, so that the limit on what may be removed at once is
    that of the whole: a folder that is unmounted below it does not take its documents with it.
    """
    (root,) = whole.paths
    everything = whole.model_copy(update={"prune": True})
    if changes is None:
        return [everything]
    files: dict[Path, None] = {}
    for change, name in sorted(changes):
        path = Path(name)
        is_rule = path.name == ACCESS_FILE or bool(find_lookalikes([path.name]))
        if is_rule:
            files[path.parent] = None
        elif any(is_ignored(part) for part in _parts_below(root, path)):
            continue
        elif change is Change.deleted or path.is_dir() or not path.exists():
            return [everything]
        else:
            files[path] = None
    there = tuple(path for path in files if path.exists())
    if len(there) > MANY or len(there) < len(files):
        return [everything]
    return [whole.model_copy(update={"paths": there})] if there else []


def _parts_below(root: Path, path: Path) -> tuple[str, ...]:
    return path.relative_to(root).parts if path.is_relative_to(root) else path.parts
