"""Gates of models that write: answers to questions with facts, expected texts, and what was heard, each beside the original."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from llmos.errors import EXIT_PERMANENT, ConfigError
from llmos.models import Task, import_job
from llmos.models.datasets import Example
from llmos.models.generation.measuring import HELD_OUT_FILE, bits_per_byte
from llmos.models.generation.questions import Expectations, Listening, Writing
from llmos.models.generation.scoring import count_word_errors, is_acceptable, rouge_l, split_words
from llmos.models.generation.writing import TorchWriter
from llmos.workload import run
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.models.http_registry import serve_folder, serve_registry
from tests.unit.models.jobs import Pods, http_files

END = "<|endoftext|>"
QUESTIONS = [f"Who has {number}?" for number in range(60)]
NEW_TOKENS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random llama whose words are letters, so that whatever it writes can be compared."""
    folder = tmp_path_factory.mktemp("llama")
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator([HELD_OUT_FILE.read_text()], vocab_size=320, special_tokens=[END], show_progress=False)
    PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, bos_token=END, eos_token=END, pad_token=END).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=320, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=160, tie_word_embeddings=True, initializer_range=0.3, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def writer(folder: Path) -> TorchWriter:
    return TorchWriter(folder, Task.TEXT_GENERATION)


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmos.models.generation.questions.NEW_TOKENS", {"AnswerAccuracy": NEW_TOKENS, "RougeL": NEW_TOKENS})


@pytest.fixture
def rows(writer: TorchWriter) -> list[dict[str, Any]]:
    """Questions, each with what the original itself answers, so that it is always right."""
    writing = Writing(writer.tokenizer, writer.prompt, metric="AnswerAccuracy", maximum_tokens=160)
    answers = [writing.answer(writer, Example(question, facts=("A is B.",))) for question in QUESTIONS]
    found = [
        {"text": question, "label": [answer], "facts": ["A is B."]}
        for question, answer in zip(QUESTIONS, answers, strict=True)
        if split_words(answer)
    ]
    assert len(found) > 45
    return found


@pytest.fixture
def pods(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Pods, dict[str, Any]]]:
    with serve_registry(MemoryRegistry()) as host, serve_folder(folder) as url:
        monkeypatch.setattr(run, "configure_logging", lambda: logging.getLogger("llmos"))
        source = {"http": {"files": http_files(folder, url)}}
        yield Pods(host, tmp_path / "pods"), {"task": "TextGeneration", "source": source}


def inline(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"file": {"format": "JSONL", "inline": {"content": "\n".join(map(json.dumps, rows))}, **more}}


def test_int4_is_refused_for_answers_that_float32_gives_and_the_rest_is_published(
    pods: tuple[Pods, dict[str, Any]], rows: list[dict[str, Any]]
) -> None:
    job, spec = pods
    evaluation = {"dataset": inline(rows, factsColumn="facts"), "metric": "AnswerAccuracy", "maximumDrop": "0.1", "minimum": "0.9"}
    onnx = {"precisions": ["Float32", "Int4"], "maximumTokens": 160}
    assert job.run(import_job.main, "Model/llama", {**spec, "onnx": onnx, "evaluation": evaluation}) == 0, job.termination
    version = job.version("Model/llama")
    measured = version.measurements
    assert [payload.attributes["precision"] for payload in version.provenance.payloads if payload.role == "onnx"] == ["Float32"]
    # Greedy answers of torch and of its own Float32 export are the same tokens.
    float32, int4 = (measured["onnx"][name]["evaluation"] for name in ("Float32", "Int4"))
    assert (float32["answerAccuracy"], float32["answerAccuracyDrop"], float32["gate"]) == ("1.0000", "0.0000", "Passed")
    assert float(int4["answerAccuracyDropLow"]) > 0.1
    (refused,) = measured["refused"]
    assert (refused["precision"], refused["reason"]) == ("Int4", "GateFailed")
    assert "the drop of AnswerAccuracy is" in refused["message"]
    assert (measured["precision"], measured["answerAccuracy"]) == ("Float32", "1.0000")
    assert measured["precisionReason"].endswith("tokens a second; Int4 did not pass")
    facts = measured["evaluation"]
    assert (facts["metric"], facts["items"], facts["calibrationItems"]) == ("AnswerAccuracy", len(rows), 0)
    assert facts["source"]["answerAccuracy"] == "1.0000"
    document = json.loads((job.fetch("Model/llama", "onnx") / "preprocessing.json").read_text())
    assert "{facts}" in document["prompt"]["grounded"]


def test_a_text_that_costs_too_many_bits_leaves_no_version(pods: tuple[Pods, dict[str, Any]]) -> None:
    job, spec = pods
    texts = [{"text": line} for line in HELD_OUT_FILE.read_text().split(". ") if line.strip()]
    evaluation = {"dataset": inline(texts), "maximum": "1.5"}
    onnx = {"precisions": ["Float32"], "maximumTokens": 64}
    assert job.run(import_job.main, "Model/llama", {**spec, "onnx": onnx, "evaluation": evaluation}) == EXIT_PERMANENT
    assert job.termination["reason"] == "GateFailed"
    assert "Float32: BitsPerByte is " in job.termination["message"]
    assert "must be at most 1.5" in job.termination["message"]


def test_bits_per_byte_of_a_set_are_those_of_its_texts_together(writer: TorchWriter) -> None:
    text = HELD_OUT_FILE.read_text()[:120]
    found = Expectations(writer.tokenizer, maximum_tokens=64).ask(writer, [Example(text), Example("a")], lambda _done, _all: None)
    ids = writer.tokenizer(text).input_ids[:63]
    num_bytes = [len(writer.tokenizer.decode([id]).encode()) for id in ids]
    assert found.top_N[0] / found.bottom_N[0] == pytest.approx(bits_per_byte(writer.logits, ids, num_bytes))
    assert found.bottom_N[0] == sum(num_bytes[1:])
    # A text of one token has nothing that could be expected.
    assert (found.top_N[1], found.bottom_N[1]) == (0, 0)


def test_a_question_that_leaves_no_room_for_an_answer_is_refused(writer: TorchWriter) -> None:
    writing = Writing(writer.tokenizer, writer.prompt, metric="AnswerAccuracy", maximum_tokens=40)
    with pytest.raises(ConfigError, match=r"a prompt of \d+ tokens, which leaves no room .* within the 40 of spec") as caught:
        writing.encode(Example("Who has all of it?", facts=("A fact. " * 9,)))
    assert caught.value.reason == "InvalidDataset"


def test_a_chat_template_begins_the_text_itself(writer: TorchWriter) -> None:
    writing = Writing(writer.tokenizer, writer.prompt, metric="AnswerAccuracy", maximum_tokens=160)
    plain = writing.encode(Example("Who?"))
    template = "{% for message in messages %}[{{ message['content'] }}]{% endfor %}{% if add_generation_prompt %}>{% endif %}"
    writer.tokenizer.chat_template = template
    try:
        chat = Writing(writer.tokenizer, type(writer.prompt)("{text}", is_chat=True), metric="AnswerAccuracy", maximum_tokens=160)
        assert writer.tokenizer.decode(chat.encode(Example("Who?"))) == "[Who?]>"
    finally:
        writer.tokenizer.chat_template = None
    assert writer.tokenizer.decode(plain) == "Who?"


@pytest.mark.parametrize(
    ("written", "acceptable", "is_right"),
    [
        ("The answer is: Paris.", ["paris"], True),
        ("ＰＡＲＩＳ", ["Paris"], True),
        ("Parisian", ["Paris"], False),
        ("New  York", ["Boston", "new york"], True),
        ("York New", ["New York"], False),
        ("答案是癫痫发作。", ["癫痫"], True),
        ("答案是癫狂。", ["癫痫"], False),
        ("", ["a"], False),
        ("anything", ["..."], False),
    ],
)
def test_an_answer_is_right_where_it_holds_an_acceptable_one_word_by_word(written: str, acceptable: list[str], is_right: bool) -> None:
    assert is_acceptable(written, acceptable) is is_right


def test_rouge_is_that_of_the_longest_common_subsequence() -> None:
    # Lin (2004): "police killed the gunman" against "police kill the gunman" shares three of four words.
    assert rouge_l("police kill the gunman", ["police killed the gunman"]) == 0.75
    assert rouge_l("the gunman kill police", ["police killed the gunman"]) == 0.5
    assert rouge_l("a b", ["x", "a b c d"]) == pytest.approx(2 * 2 / 6)
    assert rouge_l("", ["a"]) == 0


@pytest.mark.parametrize(
    ("heard", "said", "counts"),
    [
        ("Turn it on!", ["turn it on"], (0, 3)),
        ("turn on", ["turn it on"], (1, 3)),
        ("please turn it off now", ["turn it on"], (3, 3)),
        ("one five", ["1 5", "one five"], (0, 2)),
        ("打开灯", ["打开的灯"], (1, 4)),
        ("", ["a b"], (2, 2)),
    ],
)
def test_word_errors_are_counted_against_the_nearest_reference(heard: str, said: list[str], counts: tuple[int, int]) -> None:
    assert count_word_errors(heard, said) == counts


class Parrot:
    """Hears the same in everything."""

    def hear(self, recording: Path, samples_S: Any) -> str:
        return f"{recording.name} of {len(samples_S)}"


def test_what_was_heard_is_counted_in_words_and_timed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1600, dtype=np.float32), 16000)
    soundfile.write(tmp_path / "long.wav", np.zeros(31 * 16000, dtype=np.float32), 16000)
    listening = Listening({"sha256:a": tmp_path / "a.wav", "sha256:b": tmp_path / "long.wav"})
    example = Example("a.wav", answers=("a wav of it",), media="sha256:a")
    found = listening.ask(Parrot(), [example], lambda _done, _all: None)
    assert (found.top_N[0], found.bottom_N[0], found.texts) == (1, 4, ("a.wav of 1600",))
    assert listening.latency_ms is not None
    assert listening.latency_ms > 0
    with pytest.raises(ConfigError, match=r"'long\.wav' of spec\.evaluation\.dataset is 31\.0 s long, and the model hears 30 at once"):
        listening.ask(Parrot(), [Example("long.wav", answers=("a",), media="sha256:b")], lambda _done, _all: None)
