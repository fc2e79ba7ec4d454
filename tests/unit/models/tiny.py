"""A one-layer BERT with random weights and a tokenizer of a few words: a whole model folder in milliseconds."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

WORDS = ["heart", "lung", "kidney", "skin", "bone", "pain", "rash", "failure", "fracture", "red", "blue", "left", "right"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
POSITIONS = 32
HEADS: dict[str, type[PreTrainedModel]] = {
    "": BertModel,
    "SequenceClassification": BertForSequenceClassification,
    "TokenClassification": BertForTokenClassification,
    "MaskedLM": BertForMaskedLM,
}

# More threads only get in each other's way with matrices this small, above all when tests run side by side.
torch.set_num_threads(1)


def make_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({word: id for id, word in enumerate([*SPECIAL, *WORDS, "[MASK]"])}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # Publishers leave such settings in their files; whoever serves must not obey them.
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def make_folder(folder: Path, *, labels: Sequence[str] = (), head: str = "", seed: int = 0) -> Path:
    """Write an encoder, or with labels a classifier of sequences, or whatever head is asked for."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS) + 1,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        # Wider than usual: with 0.02 such a narrow network needs hundreds of steps before anything moves.
        initializer_range=0.1,
        id2label=dict(enumerate(labels)) or None,
        label2id={label: column for column, label in enumerate(labels)} or None,
    )
    model = HEADS[head or ("SequenceClassification" if labels else "")](config)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder
