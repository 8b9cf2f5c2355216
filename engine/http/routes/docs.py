"""`/{tenant}/openapi.json`, and `/{tenant}/docs`: the same document as a page for people."""

from __future__ import annotations

from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from engine.http.call import Call
from engine.http.openapi import document
from engine.http.reply import HTML, Reply
from engine.http.resource import Action, Resource
from engine.http.routes.meta import release_tag

METHODS = ("get", "post", "patch", "delete")
STYLE = (
    "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}code{font:14px ui-monospace}"
    "summary{cursor:pointer}td{padding:.1rem 1rem .1rem 0;vertical-align:top}b{display:inline-block;width:5rem}"
)


async def get_document(call: Call) -> Reply:
    """The OpenAPI document for the caller's rights, kept by release, roles and locale."""
    tag = release_tag(call)
    if call.headers.get(b"if-none-match", b"").strip() == tag:
        return Reply(None, 304, ((b"etag", tag),))
    key = ("openapi", tag, call.ctx.locale)
    body = call.service.documents.get(key, lambda: msgspec.json.encode(_document(call)))
    return Reply(body, headers=((b"etag", tag),))


async def get_page(call: Call) -> Reply:
    """The operations of the document as a plain page."""
    key = ("page", release_tag(call), call.ctx.locale)
    return Reply(call.service.documents.get(key, lambda: _page(_document(call)).encode()), media=HTML)


def _document(call: Call) -> dict[str, Any]:
    try:
        engine = version("fieldwright")
    except PackageNotFoundError:
        engine = "0"
    return document(call.rt.rights(call.ctx.actor, call.release), call.ctx.locale, engine)


def _page(made: dict[str, Any]) -> str:
    root, title = made["servers"][0]["url"], escape(made["info"]["title"])
    sections: dict[str, list[str]] = {}
    for path, item in made["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                shared = item.get("parameters", [])
                sections.setdefault(operation["tags"][0], []).append(_operation(method, root + path, operation, shared))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in sections.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1><p>{escape(made['info']['description'])}</p>{body}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any], shared: list[Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{escape(p['in'])}<td>{escape(p.get('description', ''))}"
        for p in (*shared, *operation.get("parameters", ()))
    )
    taken = operation.get("requestBody", {}).get("content", {})
    shapes = [str(content["schema"].get("$ref", "")).rpartition("/")[2] for content in taken.values()]
    sent = f"<p>Body: <code>{escape(', '.join(shapes))}</code>" if shapes else ""
    return (
        f"<details><summary><b>{method.upper()}</b><code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"{sent}<table>{rows}</table></details>"
    )


RESOURCES = (
    Resource("/{tenant}/openapi.json", GET=Action(get_document, "reader")),
    Resource("/{tenant}/docs", GET=Action(get_page, "reader")),
)
