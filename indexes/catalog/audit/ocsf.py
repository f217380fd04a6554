"""Records as events of the Open Cybersecurity Schema Framework (OCSF, https://schema.ocsf.io), for
the tools that collect such events.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

SCHEMA_VERSION = "1.8.0"

_AUTHENTICATION, _ACCOUNT, _ACCESS, _GROUP = 3002, 3001, 3005, 3006
_API, _DATASTORE = 6003, 6005
_OTHER = 99

_ACTIVITIES: Mapping[str, tuple[int, int]] = {
    # kinds of records
    "refused": (_AUTHENTICATION, 1),
    "asked": (_DATASTORE, 4),
    "answered": (_DATASTORE, 4),
    "searched": (_DATASTORE, 4),
    "opened": (_DATASTORE, 1),
    "listed": (_DATASTORE, 4),
    # what was changed
    "user.added": (_ACCOUNT, 1),
    "user.enabled": (_ACCOUNT, 2),
    "user.disabled": (_ACCOUNT, 5),
    "user.removed": (_ACCOUNT, 6),
    "group.added": (_GROUP, 6),
    "group.removed": (_GROUP, 5),
    "group.member_added": (_GROUP, 3),
    "group.member_removed": (_GROUP, 4),
    "session.begun": (_AUTHENTICATION, 1),
    "session.ended": (_AUTHENTICATION, 2),
    "scope.granted": (_ACCESS, 1),
    "scope.withdrawn": (_ACCESS, 2),
    "key.issued": (_ACCESS, 1),
    "key.revoked": (_ACCESS, 2),
    "document.stored": (_DATASTORE, 5),
    "document.moved": (_DATASTORE, 2),
    "document.relabelled": (_DATASTORE, 2),
    "document.removed": (_DATASTORE, 7),
    "document.erased": (_DATASTORE, 7),
}
"""Class and activity. What is not named is an API Activity whose name says what it is."""

_SUCCESS, _FAILURE = 1, 2
_INFORMATIONAL, _LOW = 1, 2


def events_of(body: Mapping[str, Any], place: str, version: str) -> Iterator[dict[str, Any]]:
    """The events that one record tells of. place: of the record, as `changes/1/42`."""
    if body["kind"] == "change":
        for number, change in enumerate(body["changes"]):
            yield _event(change["what"], body, change, f"{place}/{number}", version)
    else:
        yield _event(body["kind"], body, body, place, version)


def _event(
    what: str, body: Mapping[str, Any], told: Mapping[str, Any], place: str, version: str
) -> dict[str, Any]:
    class_uid, activity = _ACTIVITIES.get(what, (_API, _OTHER))
    refused = body["kind"] == "refused"
    who = body.get("by") or body.get("who") or ""
    event = {
        "class_uid": class_uid,
        "category_uid": class_uid // 1000,
        "activity_id": activity,
        "activity_name": what,
        "type_uid": 100 * class_uid + activity,
        "time": int(1000 * datetime.fromisoformat(body["at"]).timestamp()),
        "severity_id": _LOW if refused else _INFORMATIONAL,
        "status_id": _FAILURE if refused else _SUCCESS,
        "actor": {"user": {"name": body.get("acted_by") or who}},
        "metadata": {
            "version": SCHEMA_VERSION,
            "uid": place,
            "product": {"name": "Clearance", "vendor_name": "Clearance", "version": version},
        },
        "unmapped": {key: value for key, value in told.items() if key not in ("at", "kind")},
    }
    if class_uid == _GROUP:
        event["group"] = {"name": told["subject"]}
    elif class_uid != _DATASTORE and class_uid != _API:
        event["user"] = {"name": told.get("subject") or who}
    return event
