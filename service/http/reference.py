"""The reference of the HTTP interface as a page: made from the OpenAPI description, no script,
nothing fetched.
"""

import base64
import hashlib
import html
import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import HTMLResponse, Response

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.85rem/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
section { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); margin-top: 1.5rem; }
td, th { text-align: left; vertical-align: top; padding: 0.15rem 1rem 0.15rem 0; }
summary { cursor: pointer; }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"
)


def reference_page(description: dict[str, Any]) -> Response:
    """The OpenAPI description for reading."""
    info = description["info"]
    title = html.escape(f"{info['title']} {info['version']}")
    body = "".join(_operations(description))
    schemas = "".join(_schemas(description))
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>{html.escape(info.get('description', ''))}</p>"
        f'<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>{body}<h2>Bodies</h2>{schemas}</body></html>',
        headers={"Content-Security-Policy": POLICY},
    )


def _operations(description: dict[str, Any]) -> Iterator[str]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"<section><h3><code>{method.upper()} {html.escape(path)}</code></h3>"
            yield f"<p>{html.escape(operation.get('summary', ''))}. {html.escape(operation.get('description', ''))}</p>"
            yield "<p>Needs an API key.</p>" if operation.get("security") else "<p>Open.</p>"
            if parameters := operation.get("parameters"):
                rows = "".join(
                    f"<tr><td><code>{html.escape(known['name'])}</code></td><td>in the {known['in']}</td></tr>"
                    for known in parameters
                )
                yield f"<table>{rows}</table>"
            if body := _schema_name(operation.get("requestBody", {})):
                yield f'<p>Body: <a href="#{body}">{body}</a></p>'
            yield "<table>" + "".join(_responses(operation)) + "</table></section>"


def _responses(operation: dict[str, Any]) -> Iterator[str]:
    for status, answer in operation.get("responses", {}).items():
        schema = _schema_name(answer)
        link = f'<a href="#{schema}">{schema}</a>' if schema else ""
        yield f"<tr><td>{html.escape(status)}</td><td>{link}</td></tr>"


def _schemas(description: dict[str, Any]) -> Iterator[str]:
    for name, schema in description.get("components", {}).get("schemas", {}).items():
        text = html.escape(json.dumps(schema, indent=2, ensure_ascii=False))
        yield f'<details id="{name}"><summary><code>{name}</code></summary><pre>{text}</pre></details>'


def _schema_name(holder: dict[str, Any]) -> str | None:
    """The name of the schema of a body."""
    for content in holder.get("content", {}).values():
        schema = content.get("schema", {})
        candidates = [schema, *schema.get("anyOf", [])]
        for candidate in candidates:
            if "$ref" in candidate:
                return str(candidate["$ref"]).rsplit("/", 1)[-1]
    return None
