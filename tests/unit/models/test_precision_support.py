from pathlib import Path

import pytest

from llmos.errors import ConfigError
from llmos.models.config import Precision, Task, parse_model_spec
from llmos.models.precisions.build import _RECIPES
from llmos.models.precisions.support import Provider, build_table, refusal

PAGE = Path(__file__).parents[3] / "docs" / "models.md"
PACKAGE = {"name": "a", "version": "1", "sha256": "ab" * 32, "path": "model"}
FILE = {"format": "CSV", "inline": {"content": "text,label\na,b\n"}}
MEDIA = {"media": {"pythonPackage": PACKAGE}}
NEEDED = {
    Task.FEATURE_EXTRACTION: {"secondTextColumn": "label"},
    Task.IMAGE_CLASSIFICATION: MEDIA,
    Task.AUDIO_CLASSIFICATION: MEDIA,
    Task.SPEECH_RECOGNITION: MEDIA,
}
"""What a set of the task must have besides."""


def test_the_page_has_the_table_of_the_code() -> None:
    assert build_table() in PAGE.read_text(), "run docs/generate_precisions.py"


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("precision", Precision)
def test_what_a_spec_may_ask_for_is_what_the_table_does_not_refuse_for_its_task(task: Task, precision: Precision) -> None:
    document = {"task": str(task), "source": {"pythonPackage": PACKAGE}, "onnx": {"precisions": [str(precision)]}}
    evaluation = {"dataset": {"file": FILE | NEEDED.get(task, {})}}
    document |= {"evaluation": evaluation} if precision.needs_calibration else {}
    if "generat" in (refusal(task, precision, Provider.CPU) or ""):
        with pytest.raises(ConfigError, match=r"onnx\.precisions"):
            parse_model_spec(document)
    else:
        assert parse_model_spec(document).onnx.precisions == (precision,)


def test_every_precision_has_a_way_of_being_made() -> None:
    assert set(Precision) == {*_RECIPES, Precision.FLOAT32, Precision.INT4}
