"""Small pieces of an OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

JSON = "application/json"

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "The version, for If-Match", "schema": {"type": "string"}},
    "Location": {"description": "The address of the record", "schema": {"type": "string"}},
}


def ref(name: str) -> dict[str, Any]:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(
    name: str, where: str, schema: dict[str, Any], description: str = "", *, required: bool = False
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "in": where, "required": required, "schema": schema}
    return {**made, "description": description} if description else made


def body(schema: dict[str, Any], media: str = JSON) -> dict[str, Any]:
    """A required body."""
    return {"required": True, "content": {media: {"schema": schema}}}


def reply(description: str, schema: dict[str, Any], *, headers: Iterable[str] = ()) -> dict[str, Any]:
    """A JSON answer."""
    made: dict[str, Any] = {"description": description, "content": {JSON: {"schema": schema}}}
    named = {name: HEADERS[name] for name in headers}
    return {**made, "headers": named} if named else made


def operation(id_: str, summary: str, tag: str, **more: Any) -> dict[str, Any]:
    """An operation; every other answer than the named ones is a problem document."""
    responses = {**more.pop("responses"), "default": {"$ref": "#/components/responses/Problem"}}
    return {"operationId": id_, "summary": summary, "tags": [tag], **more, "responses": responses}
