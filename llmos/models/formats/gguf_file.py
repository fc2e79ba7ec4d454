"""GGUF: weights as llama.cpp reads them, often quantized in blocks. They are dequantized; what rounding took is not given back.

transformers does the reading and knows which architectures it can. Must not: keep the blocks; nothing of ours runs them.
"""

import contextlib
import io
from collections import Counter
from pathlib import Path

import gguf
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from llmos.errors import ConfigError
from llmos.models.config import FormatSpec
from llmos.models.formats.safety import choose_file
from llmos.models.pretrained import load_part

__all__ = ["convert_gguf"]

_PLAIN = {"F32", "F16", "BF16"}


def convert_gguf(source: Path, into: Path, spec: FormatSpec) -> str:
    """Write the folder of a causal language model, in float32, and return what was changed.

    Raises: ConfigError (InvalidSource) if the file is damaged, or of an architecture that transformers does not read from GGUF.
    """
    path = choose_file(source, spec.file, (".gguf",), format_name="GGUF")
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ConfigError(f"{path.name} is no GGUF file: its first bytes are not GGUF", reason="InvalidSource")
    types = load_part(source, lambda: Counter(tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors))
    tokenizer = load_part(source, lambda: AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True))
    with contextlib.redirect_stderr(io.StringIO()):  # a progress bar that nothing turns off
        read = load_part(
            source,
            lambda: AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True, dtype=torch.float32),
        )
    # What was read carries the mark of its quantization, and refuses to be saved; its tensors are plain ones already.
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        model = type(read)(config)
    model.load_state_dict(read.state_dict(), assign=True, strict=True)
    model.tie_weights()
    model.generation_config = read.generation_config
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)
    blocks = sorted(name for name in types if name not in _PLAIN)
    counts = ", ".join(f"{types[name]} tensors of {name}" for name in sorted(types))
    return f"{'dequantized' if blocks else 'rewritten'} to float32 safetensors from {counts}"
