"""One request of a directory, from its bytes to its reply. Blocking."""

from typing import Any

from scim2_models import PatchOp, Resource, ResourceType, SCIMException
from scim2_models.messages.patch_op import PatchOperation
from scim2_server.conditions import Conditions
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService

from indexes.catalog.directory.door import Directory
from indexes.model import Actor, KnownIssuer
from service.http.scim.filters import linked_id
from service.http.scim.provider import describe_service
from service.http.scim.resources import kind_of
from service.http.scim.storage import CatalogStorage

_READING = frozenset({"GET", "HEAD"})


def answer(
    directory: Directory, request: ScimRequest, by: Actor, issuer: KnownIssuer | None = None
) -> ScimResponse:
    """issuer: of the identity provider whose subjects are the directory's external ids.

    Raises ClearanceError for what has nothing to do with what the directory asked."""
    provider = describe_service()
    service = ScimService(provider)
    writes = request.method not in _READING and not request.path.endswith("/.search")
    storage = CatalogStorage(directory, provider, by, writes=writes, issuer=issuer)
    try:
        return _Handler(service, storage, request).handle(request)
    except SCIMException as error:
        return service.error_response(error)


class _Handler(ScimHandler):
    """Members that come and go are written as such: a large group is not read for each of them."""

    storage: CatalogStorage

    def __init__(self, service: ScimService, storage: CatalogStorage, request: ScimRequest) -> None:
        super().__init__(service, storage)
        self._tells_it_all = not {"attributes", "excludedAttributes"} & set(request.query)

    def patch_resource(
        self,
        resource_type: ResourceType,
        resource_id: str,
        patch_op: "PatchOp[Any]",
        conditions: Conditions,
    ) -> Resource[Any]:
        changes = _member_changes(patch_op) if kind_of(resource_type) == "group" else None
        unconditional = conditions.if_match is None and conditions.if_none_match is None
        if changes is None or not unconditional or not self._tells_it_all:
            return super().patch_resource(resource_type, resource_id, patch_op, conditions)
        return self.storage.change_members(resource_id, *changes)


def _member_changes(patch_op: "PatchOp[Any]") -> tuple[set[str], set[str]] | None:
    """Who comes and who goes. If None, the operations say something else, too."""
    added: set[str] = set()
    removed: set[str] = set()
    for operation in patch_op.operations or ():
        ids = _ids_of_members(operation)
        if ids is None:
            return None
        if operation.op == PatchOperation.Op.add:
            added, removed = added | ids, removed - ids
        else:
            added, removed = added - ids, removed | ids
    return added, removed


def _ids_of_members(operation: "PatchOperation[Any]") -> set[str] | None:
    """Those that it adds or removes one by one. If None, it does something else."""
    path, op = operation.path, operation.op
    if path is None or op == PatchOperation.Op.replace_:
        return None
    if op == PatchOperation.Op.remove and operation.value is None:
        one = linked_id(path.value_filter)
        return (
            {one}
            if one is not None
            and str(path).lower().startswith("members[")
            and str(path).endswith("]")
            else None
        )
    if str(path).lower() != "members":
        return None
    given = operation.value if isinstance(operation.value, list) else [operation.value]
    ids = {_id_of(member) for member in given}
    return {each for each in ids if each is not None} if None not in ids and ids else None


def _id_of(member: Any) -> str | None:
    found = member.get("value") if isinstance(member, dict) else getattr(member, "value", None)
    return found if isinstance(found, str) else None
