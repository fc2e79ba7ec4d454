"""What a set has been through: training anywhere along the chain, and being measured on before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.artifacts import DATASET_ARTIFACT, DATASET_CONFIG, Provenance, Registry, RegistryAccess, Repository, inputs_hash
from llmos.errors import ConfigError
from llmos.models import Label, Task
from llmos.models.datasets import Example, dataset_layers, find_ancestry, write_dataset
from llmos.models.evaluation.prepare import prepare_evaluation
from llmos.models.evaluation.spec import EvaluationSpec
from llmos.models.evaluation.uses import count_uses
from llmos.workload import ParentRef
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.models.http_registry import serve_registry

LABELS = [Label("a", "A"), Label("b", "B")]


class Chain:
    """A registry in which versions are made one from the other."""

    def __init__(self, memory: MemoryRegistry, host: str, folder: Path) -> None:
        self.memory = memory
        self.registry = Registry(RegistryAccess(plain_http=True))
        self.host, self.folder = host, folder

    def add(self, kind: str, name: str, parents: dict[str, str], trained: list[str] | None = None, *, namespace: str = "demo") -> ParentRef:
        repository = Repository.parse(f"{self.host}/llmos/{namespace}/{kind.lower()}/{name}")
        payloads = []
        if trained is not None:
            folder = write_dataset([Example(text, "a") for text in trained], self.folder / f"{namespace}-{name}")
            pushed = self.registry.push_payload(
                repository, dataset_layers(folder), artifact_type=DATASET_ARTIFACT, config_type=DATASET_CONFIG, config={}
            )
            payloads = [pushed.payload("training")]
        hashed = inputs_hash(kind=kind, spec={"of": name}, parents=parents)
        provenance = Provenance(kind=kind, inputs_hash=hashed, spec={"of": name}, parents=parents, payloads=payloads, tools={})
        return ParentRef(repository=repository, digest=self.registry.push_version(repository, provenance, {}).digest)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    memory = MemoryRegistry()
    with serve_registry(memory) as host:
        made = Chain(memory, host, tmp_path)
        with made.registry:
            yield made


@pytest.fixture
def trained(chain: Chain) -> ParentRef:
    """The last of two TrainingJobs, the second of which began with what the first had made."""
    base = chain.add("Model", "minilm", {})
    chain.add("TrainingJob", "stranger", {"base": base.digest}, ["never mind"])
    first = chain.add("TrainingJob", "first", {"base": base.digest}, ["learned long ago"])
    middle = chain.add("Model", "middle", {"trainingJob": first.digest})
    return chain.add("TrainingJob", "second", {"base": middle.digest}, ["learned just now"])


def prepare(chain: Chain, parent: ParentRef, text: str) -> dict[str, object]:
    content = f"text,label\n{text},a\n" + "".join(f"unheard of number {number},b\n" for number in range(9))
    spec = EvaluationSpec.model_validate({"dataset": {"file": {"format": "CSV", "inline": {"content": content}}}})
    into = chain.folder / f"into-{text}"
    found = prepare_evaluation(spec, LABELS, into, task=Task.TEXT_CLASSIFICATION, registry=chain.registry, parent=parent)
    return dict(found.describe())


def test_all_that_was_learned_along_the_chain_is_found_and_nothing_beside_it(chain: Chain, trained: ParentRef) -> None:
    ancestry = find_ancestry(chain.registry, trained)
    assert [each.repository.path.rpartition("/")[2] for each in ancestry.trainings] == ["second", "first"]
    assert ancestry.num_unknown == 0


@pytest.mark.parametrize("text", ["learned just now", "Learned, long ago!"])
def test_what_any_ancestor_learned_from_measures_nothing(chain: Chain, trained: ParentRef, text: str) -> None:
    with pytest.raises(ConfigError, match="the model was trained on 1 and on 0 that are nearly the same: item 1") as caught:
        prepare(chain, trained, text.replace(",", " "))
    assert caught.value.reason == "EvaluationContaminated"


def test_what_others_learned_from_is_no_contamination_and_the_comparison_is_told(chain: Chain, trained: ParentRef) -> None:
    facts = prepare(chain, trained, "never mind")
    assert facts["comparedWithTrainingItems"] == 2
    assert "unknownAncestors" not in facts


def test_an_ancestor_that_is_not_found_is_told(chain: Chain) -> None:
    elsewhere = chain.add("Model", "base", {}, namespace="other")
    hidden = chain.add("TrainingJob", "job", {"base": elsewhere.digest}, ["something"])
    assert prepare(chain, hidden, "a text")["unknownAncestors"] == 1
    earlier = chain.add("TrainingJob", "earlier", {})
    facts = prepare(chain, earlier, "a text of an earlier one")
    assert facts["unknownAncestors"] == 1
    assert "comparedWithTrainingItems" not in facts


def test_a_registry_without_a_catalog_leaves_ancestors_unknown(chain: Chain, trained: ParentRef) -> None:
    chain.memory.has_catalog = False
    ancestry = find_ancestry(chain.registry, trained)
    assert (len(ancestry.trainings), ancestry.num_unknown) == (1, 1)


def test_uses_are_counted_in_a_namespace_and_the_same_inputs_once(chain: Chain) -> None:
    def use(namespace: str, name: str, dataset: str, of: str) -> int:
        target = Repository.parse(f"{chain.host}/llmos/{namespace}/model/{name}")
        return count_uses(chain.registry, target, dataset=f"sha256:{dataset * 64}", inputs_hash=f"sha256:{of * 64}")

    assert [use("demo", "a", "d", "1"), use("demo", "a", "d", "2"), use("demo", "b", "d", "3"), use("demo", "a", "d", "1")] == [1, 2, 3, 3]
    assert use("demo", "a", "e", "4") == 1, "another set"
    assert use("other", "a", "d", "5") == 1, "another namespace"
