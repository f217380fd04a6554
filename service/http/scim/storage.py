"""The catalog as the library stores into it. One for each request, in one transaction.

What the library has read in a request is what it changes: nobody else writes in between, so versions
are compared where it compares them.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from scim2_models import (
    ConflictException,
    InvalidValueException,
    NotFoundException,
    NotImplementedException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
    ScimProvider,
    SearchRequest,
    UniquenessException,
)
from scim2_server.storage import ScimStorage, SearchPage

from indexes.catalog.directory.changes import DirectoryChanges
from indexes.catalog.directory.door import Directory
from indexes.catalog.directory.entries import ORDERS, DirectoryEntry, DirectoryState, Kind
from indexes.errors import AlreadyExists, BadInput, ClearanceError, NotFound, StillDenied
from indexes.model import Actor, KnownIssuer
from service.http.scim.filters import field_of, lookup_of
from service.http.scim.resources import kind_of, resource_of, values_of, version_of

LAST = 1 << 31  # place in a list, beyond which there is nothing
TOGETHER = 1_000  # entries that are looked at one by one, in each step


class CatalogStorage(ScimStorage):
    """Users and groups that the directory keeps."""

    def __init__(
        self,
        directory: Directory,
        provider: ScimProvider,
        by: Actor,
        *,
        writes: bool,
        issuer: KnownIssuer | None = None,
    ) -> None:
        """writes: the request may change something. Other requests wait for nobody."""
        self._directory, self._provider, self._by = directory, provider, by
        self._writes, self._issuer = writes, issuer
        self._state: DirectoryState | None = None

    @contextmanager
    def operation(self) -> Iterator[None]:
        opened: AbstractContextManager[DirectoryState] = (
            self._directory.writing(self._by, self._issuer)
            if self._writes
            else self._directory.reading()
        )
        with opened as self._state:
            try:
                yield
            finally:
                self._state = None

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        links = _wants_links(response_parameters)
        with self._reading() as state:
            return self._made(state.get(kind_of(resource_type), resource_id, links=links))

    def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,
    ) -> SearchPage:
        if len(resource_types) != 1:
            raise NotImplementedException(detail="Search users and groups one after the other.")
        kind, model = kind_of(resource_types[0]), self._model_of(resource_types[0])
        lookup = lookup_of(search_request.filter, kind)
        binding = search_request.sort_binding(model)
        order = field_of(kind, binding)
        if lookup.exact and (search_request.sort_by is None or order in ORDERS):
            return self._page(kind, search_request, lookup.condition, order)
        found = self._matching(kind, search_request, lookup.condition)
        start = (search_request.start_index or 1) - 1
        stop = None if search_request.count is None else start + search_request.count
        return SearchPage(len(found), found[start:stop])

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        kind = kind_of(resource_type)
        with self._changing() as state:
            return self._made(state.create(kind, values_of(kind, resource)))

    def update(
        self,
        resource_type: ResourceType,
        resource: Resource[Any],
        *,
        expected_version: str | None = None,
    ) -> Resource[Any]:
        kind = kind_of(resource_type)
        with self._changing() as state:
            _check_version(state, kind, str(resource.id), expected_version)
            return self._made(state.replace(kind, str(resource.id), values_of(kind, resource)))

    def delete(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        expected_version: str | None = None,
    ) -> None:
        kind = kind_of(resource_type)
        with self._changing() as state:
            _check_version(state, kind, resource_id, expected_version)
            state.remove(kind, resource_id)

    def change_members(self, group_id: str, add: set[str], remove: set[str]) -> Resource[Any]:
        """The group, without its members."""
        with self._changing() as state:
            return self._made(state.change_members(group_id, add=add, remove=remove))

    @contextmanager
    def _changing(self) -> Iterator[DirectoryChanges]:
        with self._reading() as state:
            assert isinstance(state, DirectoryChanges)
            yield state

    @contextmanager
    def _reading(self) -> Iterator[DirectoryState]:
        """The transaction of the operation, or if there is none, one of its own. Errors are told in the
        directory's words.
        """
        if self._state is None:
            with self.operation(), self._reading() as state:
                yield state
            return
        try:
            yield self._state
        except (AlreadyExists, BadInput, NotFound) as error:
            raise _scim_error(error) from error

    def _page(
        self, kind: Kind, asked: SearchRequest[Any], condition: Any, order: str | None
    ) -> SearchPage:
        """As the database finds, orders and counts them."""
        with self._reading() as state:
            found = state.page(
                kind,
                condition,
                order=order,
                descending=asked.sort_order == SearchRequest.SortOrder.descending,
                start=min((asked.start_index or 1) - 1, LAST),
                count=asked.count,
                links=_wants_links(asked),
            )
            return SearchPage(state.count(kind, condition), [self._made(each) for each in found])

    def _matching(
        self, kind: Kind, asked: SearchRequest[Any], condition: Any
    ) -> list[Resource[Any]]:
        """As the library finds and orders them, one by one."""
        found: list[Resource[Any]] = []
        with self._reading() as state:
            for start in range(0, state.count(kind, condition), TOGETHER):
                some = state.page(kind, condition, start=start, count=TOGETHER)
                made = [self._made(each) for each in some]
                found += [each for each in made if asked.filter is None or asked.filter.match(each)]
        return asked.sort(found)

    def _model_of(self, resource_type: ResourceType) -> type[Resource[Any]]:
        return cast(type[Resource[Any]], self._provider.model_for(resource_type))

    def _made(self, entry: DirectoryEntry) -> Resource[Any]:
        resource_type = next(
            each for each in self._provider.resource_types if kind_of(each) == entry.kind
        )
        return resource_of(self._model_of(resource_type), entry)


def _check_version(
    state: DirectoryState, kind: Kind, resource_id: str, expected: str | None
) -> None:
    stored = state.get(kind, resource_id, links=False)
    if expected is not None and expected != version_of(stored):
        raise PreconditionFailedException


def _scim_error(error: ClearanceError) -> SCIMException:
    told = " ".join(part for part in (error.detail, error.remedy) if part) or str(error)
    if isinstance(error, NotFound):
        return NotFoundException(detail=told)
    if isinstance(error, AlreadyExists):
        return UniquenessException(detail=told)
    return (ConflictException if isinstance(error, StillDenied) else InvalidValueException)(
        detail=told
    )


def _wants_links(parameters: ResponseParameters[Any] | None) -> bool:
    """Whether the reply tells members or groups, so far as this can be seen at once."""
    if parameters is None:
        return True
    if parameters.attributes:
        return any(_is_link(str(path)) for path in parameters.attributes)
    return not any(
        str(path).rpartition(":")[2].lower() in ("members", "groups")
        for path in parameters.excluded_attributes or ()
    )


def _is_link(path: str) -> bool:
    return path.rpartition(":")[2].partition(".")[0].lower() in ("members", "groups")
