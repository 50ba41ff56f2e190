"""`/docs`: the OpenAPI document as one page to read, complete in itself.

The framework's own page runs scripts from elsewhere, in the place where people hold their keys, and
is empty where elsewhere cannot be reached.
"""

from __future__ import annotations

from html import escape
from typing import Any, Final

HEADERS: Final = {
    # Nothing is loaded or run, whatever text found its way into the page.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_DEEPEST: Final = 4
"""Fields within fields that are shown; the bodies have three levels."""

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
       color: #222; background: #fff; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: #f5f5f5; padding: .7em; overflow-x: auto; }
summary { cursor: pointer; padding: .25em 0; }
summary b { display: inline-block; min-width: 4.5em; }
details { border-bottom: 1px solid #ddd; }
details > div { margin: 0 0 1em 1em; }
table { border-collapse: collapse; }
td { vertical-align: top; padding: .1em 1.2em .1em 0; }
td ul, div > ul { margin: 0; padding-left: 1.2em; }
small { color: #666; }
"""


def docs_page(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    info = document["info"]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style><h1>{escape(info['title'])}</h1>",
        '<p>As a document for machines: <a href="openapi.json">openapi.json</a>. Every request',
        " below <code>/v1</code> needs a key:</p>",
        '<pre>curl -H "Authorization: Bearer $key" …/v1/phone-numbers</pre>',
    ]
    tag = ""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            named = operation.get("tags", ["other"])[0]
            if named != tag:
                parts.append(f"<h2>{escape(named)}</h2>")
                tag = named
            parts.append(_operation(document, method, path, operation))
    return "\n".join(parts)


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<details><summary><b>{escape(method.upper())}</b> <code>{escape(path)}</code>"
        f" <small>{escape(operation.get('summary', ''))}</small></summary><div>",
        f"<p>{escape(operation.get('description', ''))}</p>",
    ]
    if parameters := operation.get("parameters"):
        rows = [
            f"<li><code>{escape(each['name'])}</code> <small>{escape(each['in'])},"
            f" {escape(_kind(each['schema']))}"
            f"{', required' if each.get('required') else ''}</small>"
            f" {escape(each.get('description', ''))}</li>"
            for each in parameters
        ]
        parts.append(f"<p>Parameters</p><ul>{''.join(rows)}</ul>")
    if body := operation.get("requestBody"):
        parts.append(f"<p>Body</p>{_content(document, body)}")
    parts.append("<p>Answers</p><table>")
    for status, answer in operation["responses"].items():
        # Errors share one shape; their descriptions have the codes.
        fields = _content(document, answer) if status < "3" else ""
        parts.append(
            f"<tr><td><b>{escape(status)}</b></td>"
            f"<td>{escape(answer.get('description', ''))}{fields}</td></tr>"
        )
    return "\n".join([*parts, "</table></div></details>"])


def _content(document: dict[str, Any], holder: dict[str, Any]) -> str:
    """The fields of a body."""
    for kind, content in holder.get("content", {}).items():
        fields = _fields(document, content.get("schema", {}), _DEEPEST)
        return fields or f" <small>{escape(kind)}</small>"
    return ""


def _fields(document: dict[str, Any], schema: dict[str, Any], depth: int) -> str:
    """A list of an object's fields, "" for anything else."""
    found = _object(document, schema)
    if found is None or depth == 0:
        return ""
    required = found.get("required", [])
    rows = [
        f"<li><code>{escape(name)}</code> <small>{escape(_kind(field))}"
        f"{', required' if name in required else ''}</small> {escape(field.get('description', ''))}"
        f"{_fields(document, field, depth - 1)}</li>"
        for name, field in found.get("properties", {}).items()
    ]
    return f"<ul>{''.join(rows)}</ul>" if rows else ""


def _object(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the object that is meant: referred to, or one, or in a list."""
    if reference := schema.get("$ref"):
        named: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
        return named
    if "properties" in schema:
        return schema
    for inner in (*schema.get("anyOf", ()), schema.get("items", {})):
        if inner and (found := _object(document, inner)) is not None:
            return found
    return None


def _kind(schema: dict[str, Any]) -> str:
    """A word for the type, with the bounds that a caller must know."""
    if choices := schema.get("anyOf"):
        return " or ".join(_kind(choice) for choice in choices)
    if values := schema.get("enum"):
        return " | ".join(str(value) for value in values)
    if reference := schema.get("$ref"):
        return str(reference).rpartition("/")[2].partition("-")[0]
    kind = str(schema.get("format") or schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = [
        f"{word} {schema[name]}"
        for name, word in (
            ("minimum", "from"),
            ("maximum", "to"),
            ("maxLength", "at most"),
            ("pattern", "as"),
        )
        if name in schema
    ]
    return " ".join([kind, *bounds])
