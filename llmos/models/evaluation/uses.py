"""Counting how often a set was measured on in a namespace, by whatever Model: who tries often enough passes by luck.

Each use is a tag of one repository of the namespace, so that it is counted whether or not the gate let anything through, and stays when the
Model is deleted. The same inputs count once, however often their Job is started. Must not: refuse; a person says how often is too often.
"""

from typing import Final

from llmos.artifacts import Registry, Repository, digest_hex

__all__ = ["USES_NAME", "count_uses"]

USES_NAME: Final = "evaluations"
_USE_ARTIFACT: Final = "application/vnd.llmos.evaluation-use.v1+json"
_HASH_CHARACTERS: Final = 32
"""Of the inputs hash: with the whole of it a tag would be too long."""


def count_uses(registry: Registry, target: Repository, *, dataset: str, inputs_hash: str) -> int:
    """Record one use of a set, and return how many there were, this one among them.

    Args:
        target: the Model's repository, `…/namespace/model/name`.
        dataset: the set's digest.
        inputs_hash: of the Model.

    Raises: TransientError if the registry does not answer.
    """
    namespace = target.path.rpartition("/")[0].rpartition("/")[0] or target.path
    uses = Repository(target.host, f"{namespace}/{USES_NAME}")
    prefix = f"use-{digest_hex(dataset)}-"
    document = {"dataset": dataset, "inputsHash": inputs_hash, "repository": target.path}
    registry.push_document(uses, f"{prefix}{digest_hex(inputs_hash)[:_HASH_CHARACTERS]}", _USE_ARTIFACT, document)
    return sum(tag.startswith(prefix) for tag in registry.list_tags(uses))
