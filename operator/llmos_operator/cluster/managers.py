"""Who manages which field: turning what `create` recorded into what `apply` records.

Children are created with POST, because only POST refuses to touch somebody else's object of that name. POST is recorded under our name with
the operation `Update`; server-side apply keeps a second record, `Apply`, and removes only fields that no record holds. Without this step a
field we stop applying would stay for ever. Pure.
"""

from typing import Any

from llmos_operator.names import MANAGER, Json

__all__ = ["ownership_patch"]


def ownership_patch(live: Json) -> list[dict[str, Any]] | None:
    """Return the JSON patch that renames our `Update` record to `Apply`, or None if there is nothing to do."""
    entries = live["metadata"].get("managedFields", [])
    ours = [(index, entry) for index, entry in enumerate(entries) if entry.get("manager") == MANAGER and not entry.get("subresource")]
    if any(entry["operation"] == "Apply" for _, entry in ours) or not ours:
        return None
    index = ours[0][0]
    return [
        {"op": "replace", "path": f"/metadata/managedFields/{index}/operation", "value": "Apply"},
        # Fails with a conflict, and is tried again, if the list has changed since it was read.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]
