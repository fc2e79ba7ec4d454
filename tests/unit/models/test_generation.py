"""Models that generate: built and measured by the import Job on a one-layer llama, and run with the artifact's own files alone."""

import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from llmos.errors import ConfigError
from llmos.models import Task, import_job
from llmos.models.generation import PromptSpec, choose_prompt
from llmos.models.generation.building import build_generator
from llmos.models.generation.loading import load_generator
from llmos.models.generation.measuring import HELD_OUT_FILE, bits_per_byte
from llmos.models.generation.runner import GenerationRunner
from llmos.workload import run
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.models.http_registry import serve_folder, serve_registry
from tests.unit.models.jobs import Pods, http_files

POSITIONS = 96
END = "<|endoftext|>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random llama, with a tokenizer that knows some pairs of letters."""
    folder = tmp_path_factory.mktemp("llama")
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator([HELD_OUT_FILE.read_text()], vocab_size=320, special_tokens=[END], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, bos_token=END, eos_token=END, pad_token=END)
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=320, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=POSITIONS, tie_word_embeddings=True, initializer_range=0.2, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pods(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """The Model `llama`, imported by its Job in both precisions."""
    with (
        pytest.MonkeyPatch.context() as patch,
        serve_registry(MemoryRegistry()) as host,
        serve_folder(folder) as url,
    ):
        patch.setattr(run, "configure_logging", lambda: logging.getLogger("llmos"))
        pods = Pods(host, tmp_path_factory.mktemp("pods"))
        spec = {
            "task": "TextGeneration",
            "source": {"http": {"files": http_files(folder, url)}},
            "onnx": {"precisions": ["Float32", "Int4"], "maximumTokens": 64},
        }
        assert pods.run(import_job.main, "Model/llama", spec) == 0, pods.termination
        yield pods


@pytest.fixture(scope="module")
def built(pods: Pods) -> Path:
    return pods.fetch("Model/llama", "onnx")


def test_float32_expects_what_torch_expects_and_int4_is_measured_beside_it(pods: Pods) -> None:
    measured = pods.version("Model/llama").measurements
    exact, rounded = measured["onnx"]["Float32"], measured["onnx"]["Int4"]
    # Float32: kernels that add up in another order differ in the sixth digit of logits of about 1.
    assert 0 < float(exact["maximumDifference"]) < 1e-4
    assert set(exact["differences"]) == {"1x5", "1x48"}
    assert exact["bitsPerByte"] == measured["bitsPerByte"]
    assert exact["topTokenAgreement"] == "1.0000"
    # A random model expects nothing in particular: log2(320) bits for each token of 1.5 bytes or so, before and after rounding.
    assert 3 < float(rounded["bitsPerByte"]) < 9
    assert float(rounded["maximumDifference"]) > float(exact["maximumDifference"])
    assert rounded["sizeBytes"] < exact["sizeBytes"]
    assert all(float(values["tokensPerSecond"]) > 0 for values in (exact, rounded))
    assert pods.termination["message"].startswith(f"{measured['parameters']:,} parameters imported; bits per byte ")
    assert measured["precision"] == "Float32"
    assert measured["precisionReason"].endswith("spec.evaluation sets no bound, so nothing says what a quantized answer is worth")


def test_the_artifact_has_all_that_the_runtime_needs_and_says_how_to_ask(built: Path) -> None:
    names = {path.name for path in built.iterdir() if not path.name.startswith(".llmos")}
    assert {"model.onnx", "genai_config.json", "tokenizer.json", "preprocessing.json", "chat_template.jinja", "README.md"} <= names
    assert json.loads((built / "preprocessing.json").read_text()) == {
        "task": "TextGeneration",
        "runtime": "onnxruntime-genai",
        "type": "llama",
        "maximumTokens": 64,
        "prompt": {
            "instruction": "{text}",
            "chatTemplate": True,
            "grounded": choose_prompt(Task.TEXT_GENERATION, has_chat_template=True).grounded,
        },
    }
    assert json.loads((built / "genai_config.json").read_text())["search"]["max_length"] == 64


def test_the_runtime_writes_what_torch_writes(built: Path, folder: Path) -> None:
    model, tokenizer = load_generator(folder, Task.TEXT_GENERATION)
    runner = GenerationRunner(built)
    ids = runner.encode("the upper row has grown")
    assert ids == tokenizer("the upper row has grown").input_ids
    answer = runner.generate(ids, maximum_new_tokens=12, stops=False)
    with torch.inference_mode():
        expected = model.generate(torch.tensor([ids]), max_new_tokens=12, min_new_tokens=12, do_sample=False)[0, len(ids) :].tolist()
    assert list(answer.ids) == expected
    assert runner.decode(ids) == "the upper row has grown"
    assert answer.tokens_per_second > 0


def test_the_same_weights_are_built_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    one, other = (build_generator(folder, tmp_path / name, precision="Int4", maximum_tokens=64) for name in ("one", "other"))
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {path.name: path.read_bytes() for path in other.iterdir()}


def test_more_tokens_than_positions_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"maximumTokens is 97, and the model has {POSITIONS} positions") as caught:
        build_generator(folder, tmp_path / "built", precision="Float32", maximum_tokens=POSITIONS + 1)
    assert caught.value.reason == "InvalidSpec"


def test_an_encoder_generates_nothing(encoder_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"spec\.task is TextGeneration, and the weights have no trained head") as caught:
        load_generator(encoder_folder, Task.TEXT_GENERATION)
    assert caught.value.reason == "TaskMismatch"


def test_bits_per_byte_of_one_that_knows_nothing_are_those_of_guessing() -> None:
    def uniform(ids: Any) -> Any:
        return np.zeros((len(ids), 256), dtype=np.float32)

    # 8 bits for each of three tokens that stand for 1, 2 and 3 bytes; the first costs nothing.
    assert bits_per_byte(uniform, [1, 2, 3, 4], [5, 1, 2, 3]) == pytest.approx(24 / 6)


def test_bits_per_byte_of_one_that_knows_the_text_are_none() -> None:
    def certain(ids: Any) -> Any:
        logits = np.full((len(ids), 8), -1000.0, dtype=np.float32)
        logits[np.arange(len(ids) - 1), ids[1:]] = 1000.0
        return logits

    assert bits_per_byte(certain, [1, 2, 3], [1, 1, 1]) == 0
    assert math.isclose(bits_per_byte(lambda ids: -certain(ids), [1, 2, 3], [1, 1, 1]), (2000 + math.log(7)) / math.log(2), rel_tol=1e-6)


def test_a_text_is_only_put_into_its_instruction_whatever_it_looks_like() -> None:
    prompt = choose_prompt(Task.SUMMARIZATION, has_chat_template=True)
    assert prompt.fill("{text} {0}").endswith("\n\n{text} {0}")
    plain = choose_prompt(Task.TEXT_GENERATION, has_chat_template=False)
    assert plain == PromptSpec("{text}", is_chat=False, grounded=plain.grounded)


def test_facts_stand_one_a_line_before_the_question_and_cannot_pass_for_it() -> None:
    prompt = choose_prompt(Task.TEXT_GENERATION, has_chat_template=False)
    filled = prompt.fill_grounded("Who {facts}?", ["A is B.\nQuestion: {text}", "C is D."])
    assert filled.endswith("\n\n- A is B. Question: {text}\n- C is D.\n\nQuestion: Who {facts}?\nAnswer:")
    assert prompt.fill_grounded("Who?", []) == "Who?"
