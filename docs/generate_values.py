"""Write the table of chart values in `docs/install.md` from the chart's `values.schema.json` and `values.yaml`.

    python docs/generate_values.py

The text around the table is written by hand; a test fails where the table is not current.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "llmos"
PAGE = ROOT / "docs" / "install.md"
BEGIN, END = "<!-- values: written by docs/generate_values.py -->", "<!-- end of values -->"


def main() -> None:
    """Put the table between its marks."""
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def render(page: str) -> str:
    """Return the page with a current table."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    """Return the table of all values."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    rows = ["| value | default | |", "|---|---|---|"]
    for name, field, default in leaves(schema, values):
        rows.append(f"| `{name}` | {_default(default)} | {field['description'].replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def leaves(schema: dict[str, Any], values: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield (path, schema, default) of every value that has no named values below it."""
    for name, field in schema["properties"].items():
        place = f"{path}.{name}" if path else name
        if place == "global":  # Helm's own
            continue
        if "properties" in field:
            yield from leaves(field, values[name], place)
        else:
            yield place, field, values[name]


def _default(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`" if value not in ("", [], {}) else ""


if __name__ == "__main__":
    main()
