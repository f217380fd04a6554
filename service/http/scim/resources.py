"""A user or group of the catalog as the library has it, and back."""

from typing import Any

from scim2_models import Meta, Resource, ResourceType

from indexes.catalog.directory.entries import DirectoryEntry, EntryValues, Kind

_OWN = ("id", "externalId", "meta")
_NOT_KEPT: dict[Kind, tuple[str, ...]] = {
    # a password would open nothing here, and groups follow from who is in them
    "user": (*_OWN, "userName", "active", "password", "groups"),
    "group": (*_OWN, "displayName", "members"),
}
_ADDRESSES: dict[Kind, str] = {"user": "Users", "group": "Groups"}
_TYPES: dict[Kind, str] = {"user": "User", "group": "Group"}


def kind_of(resource_type: ResourceType) -> Kind:
    return "group" if resource_type.name == "Group" else "user"


def resource_of(model: type[Resource[Any]], entry: DirectoryEntry) -> Resource[Any]:
    told: dict[str, Any] = {**entry.attributes, "id": entry.id, "externalId": entry.external_id}
    if entry.kind == "user":
        told |= {"userName": entry.name, "active": entry.active}
        told["groups"] = [
            {
                "value": link.id,
                "$ref": f"Groups/{link.id}",
                "type": "direct",
                "display": link.name,
            }
            for link in entry.groups
        ]
    else:
        told["displayName"] = entry.name
        told["members"] = [
            {
                "value": link.id,
                "$ref": f"{_ADDRESSES[link.kind]}/{link.id}",
                "type": _TYPES[link.kind],
            }
            for link in entry.members
        ]
    made = model.model_validate(told)
    made.meta = Meta(
        resource_type=_TYPES[entry.kind],
        created=entry.created_at,
        last_modified=entry.changed_at,
        version=version_of(entry),
    )
    return made


def version_of(entry: DirectoryEntry) -> str:
    """As an entity tag."""
    return f'W/"{entry.version}"'


def values_of(kind: Kind, resource: Any) -> EntryValues:
    """What the directory says of it, as the catalog keeps it."""
    told = resource.model_dump()
    kept = {name: value for name, value in told.items() if name not in _NOT_KEPT[kind]}
    if kind == "user":
        return EntryValues(
            name=resource.user_name or "",
            external_id=resource.external_id,
            active=resource.active,
            attributes=kept,
        )
    members = [member.value or "" for member in resource.members or ()]
    return EntryValues(
        name=resource.display_name or "",
        external_id=resource.external_id,
        attributes=kept,
        members=members,
    )
