"""Put the table of precisions into docs/models.md, from llmos.models.precisions.support.

python docs/generate_precisions.py
"""

import re
from pathlib import Path

from llmos.models.precisions.support import build_table

PAGE = Path(__file__).with_name("models.md")


def main() -> None:
    """Replace the table, wherever it stands on the page."""
    head = re.escape(build_table().splitlines()[0])
    text, count = re.subn(
        rf"^{head}\n(?:\|.*\n)+", lambda _found: build_table() + "\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    if count != 1:
        raise SystemExit(f"{PAGE} has {count} tables that begin as this one does")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
