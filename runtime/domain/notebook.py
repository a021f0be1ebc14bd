"""How documents show themselves in a notebook (``_repr_html_``): a heading, a line, a table; no script, no styles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def section(title: str, text: str, *parts: str) -> str:
    """A heading with a line under it, and what follows; title and text are escaped, parts are HTML."""
    return f"<div><h4>{escape(title)}</h4><p>{escape(text)}</p>{''.join(parts)}</div>"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are escaped; without rows it is nothing."""
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
