"""Measuring models of other tasks than choosing: spans, masked tokens, texts that belong together, pictures and recordings."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from llmos.artifacts import digest_bytes
from llmos.errors import ConfigError
from llmos.models import Label, Task, TextNetwork, load_network
from llmos.models.audio_spec import AudioSpec
from llmos.models.datasets import Dataset, Example
from llmos.models.datasets.media import attach_media
from llmos.models.evaluation.answering import Exams
from llmos.models.evaluation.counted_metrics import BitsPerByte, MaskedAccuracy, RetrievalAccuracy, SpanF1, WordErrorRate
from llmos.models.evaluation.exams.choosing import AudioExam, ImageExam
from llmos.models.evaluation.exams.exam import Asked
from llmos.models.evaluation.measuring import Evaluator, Measured
from llmos.models.evaluation.predictions import CountedPredictions
from llmos.models.evaluation.prepare import split_dataset
from llmos.models.evaluation.report import write_report
from llmos.models.evaluation.spec import EvaluationBounds, MediaArchive
from llmos.models.gate import Failed, Passed, Undecided
from llmos.models.image_spec import ImageSpec
from llmos.models.measure.comparison import run_torch
from tests.unit.models.http_registry import serve_folder
from tests.unit.models.tiny import WORDS, make_folder

TAGS = [Label(id, id) for id in ("O", "B-organ", "I-organ")]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> tuple[TextNetwork, Path]:
    return load(tmp_path_factory, Task.TOKEN_CLASSIFICATION, labels=[tag.id for tag in TAGS], head="TokenClassification")


@pytest.fixture(scope="module")
def filler(tmp_path_factory: pytest.TempPathFactory) -> tuple[TextNetwork, Path]:
    return load(tmp_path_factory, Task.MASKED_LM, head="MaskedLM")


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> tuple[TextNetwork, Path]:
    return load(tmp_path_factory, Task.FEATURE_EXTRACTION)


def load(factory: pytest.TempPathFactory, task: Task, **options: Any) -> tuple[TextNetwork, Path]:
    network = load_network(make_folder(factory.mktemp("model"), **options), task)
    assert isinstance(network, TextNetwork)
    assets = factory.mktemp("assets")
    network.write_assets(assets, maximum_length=16)
    return network, assets


def ask(network: TextNetwork, assets: Path, task: Task, examples: Sequence[Example], run: Any = None) -> CountedPredictions:
    exams = Exams(task, Asked(TAGS, network.input_names, assets))
    found = exams.answering(run or (lambda inputs: run_torch(network, inputs)[0]), is_batched=True)(examples, lambda _done, _all: None)
    assert isinstance(found, CountedPredictions)
    return found


def tagged(*tags: int) -> Any:
    """A model that gives the word at each place, after [CLS], a label whatever it is."""

    def run(inputs: Any) -> Any:
        batch, length = inputs["input_ids"].shape
        logits = np.zeros((batch, length, len(TAGS)), dtype=np.float32)
        for place, tag in enumerate(tags[: length - 2]):
            logits[:, place + 1, tag] = 1
        return logits

    return run


@pytest.mark.parametrize(
    ("right", "given", "counts"),
    [
        (("O", "B-organ", "I-organ"), (0, 1, 2), (2, 2)),
        (("O", "B-organ", "I-organ"), (0, 1, 0), (0, 2)),
        (("O", "B-organ", "I-organ"), (0, 0, 0), (0, 1)),
        (("B-organ", "O", "B-organ"), (1, 1, 1), (4, 5)),
        (("O", "O", "O"), (0, 0, 0), (0, 0)),
    ],
)
def test_a_span_counts_only_whole(tagger: tuple[TextNetwork, Path], right: Any, given: Any, counts: tuple[int, int]) -> None:
    tokens = ("left", "red", "skin")
    example = Example(" ".join(tokens), tokens=tokens, tags=right)
    found = ask(*tagger, Task.TOKEN_CLASSIFICATION, [example], tagged(*given))
    assert (found.top_N[0], found.bottom_N[0]) == counts


def test_a_word_has_the_label_of_its_first_token_and_one_beyond_the_cut_has_none(tagger: tuple[TextNetwork, Path]) -> None:
    # The tokenizer cuts "red-skin" into three tokens, so the label at the fourth place is that of "bone".
    tokens = ("red-skin", "bone", *["pain"] * 20)
    example = Example(" ".join(tokens), tokens=tokens, tags=("B-organ", "B-organ", *["B-organ"] * 20))
    found = ask(*tagger, Task.TOKEN_CLASSIFICATION, [example], tagged(1, 0, 0, 0, 1))
    assert found.texts[0].split()[:3] == ["B-organ", "O", "B-organ"]
    # Sixteen tokens were read: [CLS], three, bone, ten of pain, [SEP].
    assert found.texts[0].split()[12:] == ["O"] * 10
    assert (found.top_N[0], found.bottom_N[0]) == (4, 22 + 2)


def test_spans_are_gated_with_what_they_are_worth(tagger: tuple[TextNetwork, Path]) -> None:
    network, assets = tagger
    examples = [
        Example(f"{first} {second}", tokens=(first, second), tags=("B-organ", "O"), slices={"side": first})
        for first in WORDS
        for second in WORDS
        if first != second
    ]
    exams = Exams(Task.TOKEN_CLASSIFICATION, Asked(TAGS, network.input_names, assets))
    evaluated = split_dataset(Dataset(tuple(examples)), EvaluationBounds.model_validate({"minimum": "0.9", "maximumDrop": "0.05"}))
    judge = Evaluator(evaluated, task=Task.TOKEN_CLASSIFICATION, source=exams.answering(tagged(1, 0), is_batched=True), labels=TAGS)

    def measure(*tags: int) -> Measured:
        return judge.measure("Int8", exams.answering(tagged(*tags), is_batched=True), latency=lambda: 1.0)

    good, bad = measure(1, 0), measure(1, 1)
    assert isinstance(good.decision, Passed)
    assert (good.document["spanF1"], good.document["spanF1Drop"], good.calibration) == ("1.0000", "0.0000", None)
    assert "temperature" not in good.document
    assert isinstance(bad.decision, Failed)
    # One of two is right, all of one are found: F1 is two thirds.
    assert str(bad.decision).startswith("SpanF1 is 0.6667")
    assert "the drop of SpanF1 is 0.3333" in str(bad.decision)


def test_masked_tokens_are_chosen_by_the_text_and_never_the_special_or_unknown_ones(filler: tuple[TextNetwork, Path]) -> None:
    network, assets = filler
    asked: list[Any] = []

    def run(inputs: Any) -> Any:
        asked.append(inputs["input_ids"])
        return run_torch(network, inputs)[0]

    text = "heart lung kidney skin bone pain rash failure unknown word red"
    first = ask(network, assets, Task.MASKED_LM, [Example(text), Example("strange words")], run)
    mask = json.loads((assets / "preprocessing.json").read_text())["mask"]["id"]
    rows = {row.shape[1]: row[0] for row in asked}
    assert list(first.bottom_N) == [1, 0]
    assert [int((row == mask).sum()) for row in rows.values()] == [0, 1]
    assert rows[13][9] == rows[13][10] == 1, "what the tokenizer does not know stays unknown"
    asked.clear()
    ask(network, assets, Task.MASKED_LM, [Example("bone"), Example(text)], run)
    assert any(np.array_equal(row[0], rows[13]) for row in asked), "another neighbour changes nothing"


def test_a_model_that_knows_every_token_fills_all_of_them_in(filler: tuple[TextNetwork, Path]) -> None:
    network, assets = filler
    text = " ".join(WORDS)
    ids = network.tokenizer(text).input_ids

    def certain(inputs: Any) -> Any:
        batch, length = inputs["input_ids"].shape
        logits = np.zeros((batch, length, network.vocabulary_size), dtype=np.float32)
        logits[:, np.arange(length), ids[:length]] = 1
        return logits

    found = ask(network, assets, Task.MASKED_LM, [Example(text)], certain)
    assert (found.top_N[0], found.bottom_N[0]) == (2, 2)
    assert MaskedAccuracy().measure(found).value == 1


def test_a_text_finds_its_own_among_all_and_an_equal_one_is_none(embedder: tuple[TextNetwork, Path]) -> None:
    pairs = [Example(f"{word} pain", second_text=f"{word} pain") for word in WORDS[:5]]
    assert list(ask(*embedder, Task.FEATURE_EXTRACTION, pairs).top_N) == [1] * 5
    # Two second texts that the model cannot tell apart: neither is found.
    alike = [Example("heart", second_text="heart"), Example("lung", second_text="HEART")]
    found = ask(*embedder, Task.FEATURE_EXTRACTION, alike)
    assert list(found.top_N) == [0, 0]
    shared = [Example("heart", second_text="heart"), Example("red heart", second_text="heart"), Example("lung", second_text="lung")]
    assert list(ask(*embedder, Task.FEATURE_EXTRACTION, shared).top_N)[0::2] == [1, 1]
    assert RetrievalAccuracy().measure(found).high < 0.7


def counted(top: Sequence[float], bottom: Sequence[float]) -> CountedPredictions:
    return CountedPredictions(np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64))


def test_more_errors_are_a_positive_drop_where_lower_is_better() -> None:
    before, after = counted([1] * 200, [10] * 200), counted([3] * 200, [10] * 200)
    drop = WordErrorRate().measure_drop(before, after)
    assert drop.value == pytest.approx(0.2)
    assert 0 < drop.low < 0.2 < drop.high
    assert SpanF1().measure_drop(after, before).value == pytest.approx(0.2)


def test_a_long_item_weighs_what_it_holds_and_leaves_more_to_doubt() -> None:
    even, odd = counted([5] * 100, [10] * 100), counted([5] * 99 + [500], [10] * 99 + [1000])
    assert SpanF1().measure(even).value == SpanF1().measure(odd).value == 0.5
    assert SpanF1().effective_count(even) == pytest.approx(100)
    assert SpanF1().effective_count(odd) < 4
    assert SpanF1().measure(odd).low < SpanF1().measure(even).low


def test_two_models_alike_on_a_few_texts_are_not_known_to_be_alike() -> None:
    few, many = counted([14.0] * 3, [10.0] * 3), counted([14.0] * 3000, [10.0] * 3000)
    assert BitsPerByte().measure_drop(few, few).high > 0.5
    assert BitsPerByte().measure_drop(many, many).high < 0.01


@pytest.mark.parametrize(("rate", "decision"), [(1.0, Passed), (2.2, Undecided), (4.0, Failed)])
def test_a_maximum_is_passed_by_the_upper_end(rate: float, decision: type) -> None:
    generator = np.random.default_rng(0)
    predictions = counted(generator.poisson(rate, 300), [10] * 300)
    examples = tuple(Example(f"recording {number}", answers=("a",)) for number in range(300))
    evaluated = split_dataset(Dataset(examples), EvaluationBounds.model_validate({"maximum": "0.22"}), is_fitted=False)
    assert len(evaluated.parts.evaluation) == 300
    judge = Evaluator(evaluated, task=Task.SPEECH_RECOGNITION, source=lambda _part, _tell: predictions)
    assert isinstance(judge.measure("Int4", lambda _part, _tell: predictions, latency=lambda: None).decision, decision)


def test_a_report_of_counts_names_the_worst_items(tmp_path: Path) -> None:
    examples = [Example(f"text {number}", answers=(f"right {number}",)) for number in range(4)]
    predictions = CountedPredictions(np.asarray([0.0, 3.0, 1.0, 0.0]), np.asarray([5.0, 4.0, 4.0, 0.0]), tuple("abcd"))
    measured = Measured("Int4", predictions, {}, None, Passed(), {})
    folder = write_report(tmp_path / "report", examples=examples, labels=(), metric=WordErrorRate(), measured=[measured])
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert answers[1] == {"item": examples[1].digest, "answers": {"Int4": ["3.0000", "4.0000"]}}
    errors = [json.loads(line) for line in (folder / "errors.jsonl").read_text().splitlines()]
    assert [(row["label"], row["answer"], row["score"]) for row in errors] == [("right 1", "b", "0.7500"), ("right 2", "c", "0.2500")]


def png(level: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9, 7), (level, level, level)).save(stream, format="PNG")
    return stream.getvalue()


def wav(level: float, rate: int = 16000) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, np.full((rate // 10, 2), level, dtype=np.float32), rate, format="WAV", subtype="FLOAT")
    return stream.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    """Serve a ZIP archive of these files, and return where it is."""

    def make(files: dict[str, bytes]) -> tuple[Path, bytes]:
        folder = tmp_path / "served"
        folder.mkdir()
        with zipfile.ZipFile(folder / "media.zip", "w", zipfile.ZIP_DEFLATED) as stream:
            for name, content in files.items():
                stream.writestr(name, content)
        return folder, (folder / "media.zip").read_bytes()

    return make


def bring(archive: Any, files: dict[str, bytes], names: Sequence[str], into: Path) -> Dataset:
    folder, content = archive(files)
    with serve_folder(folder) as address:
        source = MediaArchive.model_validate(
            {"http": {"url": f"{address}/media.zip", "sha256": digest_bytes(content).removeprefix("sha256:")}}
        )
        return attach_media(Dataset(tuple(Example(name, label="a") for name in names)), source, into)


def test_pictures_come_out_of_an_archive_and_are_known_by_their_bytes(archive: Any, tmp_path: Path) -> None:
    files = {"a/black.png": png(0), "../white.png": png(255), "never/asked.png": b"x"}
    dataset = bring(archive, files, ["a/black.png", "../white.png", "a/black.png"], tmp_path / "into")
    black, white = (digest_bytes(files[name]) for name in ("a/black.png", "../white.png"))
    assert [example.media for example in dataset.examples] == [black, white, black]
    assert b"black.png" not in dataset.examples[0].to_line(), "a file that is renamed is the same item"
    assert {path.name for path in (tmp_path / "into").iterdir()} == {"0", "1"}, "no path of the archive is one of ours"
    spec = ImageSpec(None, 4, 4, "Bilinear", (0.0,) * 3, (1.0,) * 3)
    exam = ImageExam(dataset.examples, Asked([Label("a", "a"), Label("b", "b")], ("pixel_values",), tmp_path, spec, dataset.media))
    assert [float(row["pixel_values"].mean()) for row in exam.rows] == [0.0, 1.0, 0.0]
    found = exam.collect([np.asarray([1.0, 0.0]), np.asarray([0.0, 1.0]), np.asarray([2.0, 0.0])])
    assert list(found.hits_N) == [True, False, True]


def test_recordings_are_one_channel_of_the_rate_that_the_model_takes(archive: Any, tmp_path: Path) -> None:
    dataset = bring(archive, {"a.wav": wav(0.5), "b.wav": wav(0.5, 8000), "c.wav": b"RIFF"}, ["a.wav", "b.wav", "c.wav"], tmp_path / "into")
    spec = AudioSpec(16000, 16000, 400, 160, 80)
    exam = AudioExam(dataset.examples, Asked([Label("a", "a")], ("input_features",), tmp_path, spec, dataset.media))
    assert exam.rows[0]["input_features"].shape == (80, 100)
    with pytest.raises(ConfigError, match=r"'b\.wav' of spec\.evaluation\.dataset has 8,000 samples a second, and the model takes 16,000"):
        exam.rows[1]
    with pytest.raises(ConfigError, match=r"'c\.wav' of spec\.evaluation\.dataset is no recording that can be read"):
        exam.rows[2]


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({"a.png": b"x"}, "b.png", r"'b\.png', which a row of .* names, is not in the archive"),
        ({"a/": b"", "a/b.png": b"x"}, "a/", "is not in the archive"),
        ({"a.png": b"\0" * 2000}, "a.png", "has more than 1,000 bytes"),
    ],
)
def test_a_file_that_is_missing_or_too_large_is_refused(
    archive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], name: str, message: str
) -> None:
    monkeypatch.setattr("llmos.models.datasets.media.MAX_FILE_BYTES", 1000)
    with pytest.raises(ConfigError, match=message) as caught:
        bring(archive, files, [name], tmp_path / "into")
    assert caught.value.reason == "InvalidDataset"


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"no picture")
    spec = ImageSpec(None, 4, 4, "Bilinear", (0.0,) * 3, (1.0,) * 3)
    exam = ImageExam(
        [Example("a.png", label="a", media="sha256:0")], Asked([], ("pixel_values",), tmp_path, spec, {"sha256:0": tmp_path / "0"})
    )
    with pytest.raises(ConfigError, match=r"'a\.png' of spec\.evaluation\.dataset is no picture that can be opened"):
        exam.rows[0]
