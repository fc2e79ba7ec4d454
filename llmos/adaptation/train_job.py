"""The Job of a `TrainingJob`: base and knowledge in, a trained model out. Run as `python -m llmos.adaptation.train_job`.

It only joins the pieces; the version is committed by `run_job`, after everything here succeeded. Must not: decide anything about the
content that is not in the hashed spec or in the parents.
"""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llmos.adaptation.config import TrainingSpec, parse_training_spec
from llmos.adaptation.split import Split, split_by_group
from llmos.adaptation.taxonomy import Item, TaxonomyDataset, build_taxonomy_dataset
from llmos.artifacts import DATASET_ARTIFACT, DATASET_CONFIG, MODEL_ARTIFACT, MODEL_CONFIG, Payload, Registry
from llmos.errors import ConfigError, PermanentError
from llmos.knowledge import Snapshot
from llmos.models.compute import wait_passively
from llmos.models.datasets import Example, dataset_layers, write_dataset
from llmos.models.folder import build_model_config, folder_layers
from llmos.models.import_job import tool_versions
from llmos.workload import JobConfig, Reporter, Result, run_job

__all__ = ["main", "train_model"]

_LOGGED_EVERY: Final = 25
"""Steps between two lines in the pod's log; the operator is told more often."""

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return the exit code."""
    wait_passively()
    return run_job(train_model, argv)


def train_model(config: JobConfig, reporter: Reporter) -> Result:
    """Make the payload of one TrainingJob version and push it."""
    spec = parse_training_spec(config.spec)
    role = spec.data.taxonomy.knowledge.role
    with Registry(config.artifacts.access) as registry:
        # The knowledge first: it says whether there is anything to learn, before weights are fetched and torch is loaded.
        dataset = _read_dataset(spec, _fetch_parent(config, registry, reporter, role=role, payload_role="snapshot"))
        split = split_by_group(dataset, held_out_percent=spec.split.held_out_percent, seed=spec.split.seed)
        base = _fetch_parent(config, registry, reporter, role="base", payload_role="weights")
        start = time.monotonic()
        measurements = _train_and_measure(config, spec, reporter, dataset=dataset, split=split, base=base, into=config.scratch / "model")
        reporter.progress("Push", 0, "the trained model")
        pushed = registry.push_payload(
            config.target.repository,
            folder_layers(config.scratch / "model"),
            artifact_type=MODEL_ARTIFACT,
            config_type=MODEL_CONFIG,
            config=build_model_config("safetensors", precision="Float32"),
        )
        # What it was held back from, for whoever measures it later; and what it learned, so that nobody measures it on that.
        evaluation = _push_items(config, registry, "evaluation", split.held_out)
        training = _push_items(config, registry, "training", split.train)
    beside = f", {spec.baseline} {measurements['baselineAccuracy']}" if "baselineAccuracy" in measurements else ""
    return Result(
        payloads=[pushed.payload("model", format="safetensors"), evaluation, training],
        message=f"accuracy {measurements['accuracy']} on {len(split.held_out)} held-out items{beside}",
        tools=tool_versions("torch", "transformers", "peft"),
        measurements={**measurements, "seconds": round(time.monotonic() - start)},
    )


def _fetch_parent(config: JobConfig, registry: Registry, reporter: Reporter, *, role: str, payload_role: str) -> Path:
    """Bring a parent's payload here by the digests of its version."""
    parent = config.parents.get(role)
    if parent is None:
        raise ConfigError(f"the spec needs a parent of role {role}, and parents name {sorted(config.parents)}", reason="InvalidSpec")
    payload = registry.get_version(parent.repository, parent.digest).provenance.payload(payload_role)
    if payload is None:
        raise PermanentError(f"version {parent.digest} in {parent.repository} has no {payload_role} payload", reason="ChainBroken")
    return registry.fetch_payload(
        parent.repository,
        payload.digest,
        config.scratch / payload_role,
        on_progress=lambda done, total: reporter.progress("Download", 100 * done // max(total, 1), role),
    )


def _push_items(config: JobConfig, registry: Registry, role: str, items: Sequence[Item]) -> Payload:
    """Push labelled items; the attribute `items` counts them."""
    folder = config.scratch / role
    write_dataset((Example(item.text, item.label, groups=item.groups) for item in items), folder)
    pushed = registry.push_payload(
        config.target.repository, dataset_layers(folder), artifact_type=DATASET_ARTIFACT, config_type=DATASET_CONFIG, config={}
    )
    return pushed.payload(role, items=str(len(items)))


def _read_dataset(spec: TrainingSpec, folder: Path) -> TaxonomyDataset:
    taxonomy = spec.data.taxonomy
    with Snapshot.open(folder) as snapshot:
        return build_taxonomy_dataset(
            snapshot.entities(),
            snapshot.edges(taxonomy.relation),
            root=taxonomy.root,
            minimum_items_per_label=taxonomy.minimum_items_per_label,
            group_depth=taxonomy.group_depth,
        )


def _train_and_measure(
    config: JobConfig, spec: TrainingSpec, reporter: Reporter, *, dataset: TaxonomyDataset, split: Split, base: Path, into: Path
) -> dict[str, Any]:
    """Train, save to `into`, and measure what was saved on the held-out side, beside the baseline."""
    # Imported late: a spec that is wrong should fail in a second, not after torch was loaded.
    from llmos.adaptation.classifier import save_classifier
    from llmos.adaptation.evaluation import evaluate
    from llmos.adaptation.training import Step, train_classifier

    def report(step: Step) -> None:
        message = f"step {step.number} of {step.of}, loss {step.loss:.3f}, about {step.remaining_s:.0f} s left"
        reporter.progress("Train", 100 * step.number // step.of, message)
        if step.number % _LOGGED_EVERY == 0 or step.number == step.of:
            _log.info("%s", message)

    columns = {label.id: column for column, label in enumerate(dataset.labels)}
    reporter.progress("Train", 0, f"{len(split.train)} items, {len(dataset.labels)} labels")
    trained = train_classifier(
        base,
        [item.text for item in split.train],
        [columns[item.label] for item in split.train],
        dataset.labels,
        method=spec.method,
        hyperparameters=spec.hyperparameters,
        on_step=report,
    )
    save_classifier(trained.model, trained.tokenizer, dataset.labels, into, facts=_card_facts(config, spec, dataset, split))
    reporter.progress("Evaluate", 0, f"{len(split.held_out)} held-out items")
    values = evaluate(into, split, columns, maximum_tokens=spec.hyperparameters.maximum_tokens, baseline=spec.baseline)
    return {
        **values,
        "labels": len(dataset.labels),
        "trainItems": len(split.train),
        "heldOutItems": len(split.held_out),
        "straddlingItems": split.num_straddling,
        "trainedParameters": trained.num_trained_parameters,
        "steps": len(trained.losses),
        "lastLoss": f"{sum(trained.losses[-10:]) / len(trained.losses[-10:]):.4f}",
    }


def _card_facts(config: JobConfig, spec: TrainingSpec, dataset: TaxonomyDataset, split: Split) -> Mapping[str, str]:
    taxonomy = spec.data.taxonomy
    return {
        "Base": config.parents["base"].digest,
        "Knowledge": config.parents[taxonomy.knowledge.role].digest,
        "Text": "the preferred name of an entity",
        "Label": f"its ancestor just below {taxonomy.root} by {taxonomy.relation}, one of {len(dataset.labels)}",
        "Learned from": f"{len(split.train)} items",
        "Held out": f"{len(split.held_out)} items, whole groups at depth {taxonomy.group_depth}, seed {spec.split.seed}",
        "Method": spec.method.type if spec.method.rank is None else f"LoRA, rank {spec.method.rank}, alpha {spec.method.alpha}, merged",
    }


if __name__ == "__main__":
    sys.exit(main())
