"""What answers requests, in one place: routes take it from the app's state.

Must not: know HTTP.
"""

from dataclasses import dataclass, field

from llmos.runtime.active import ActiveKnowledge
from llmos.runtime.assets import ModelAssets
from llmos.runtime.metrics import Metrics
from llmos.runtime.model_server import ModelServer
from llmos.runtime.pipeline import Pipeline
from llmos.runtime.readiness import Readiness
from llmos.runtime.reads import Reads
from llmos.runtime.sparql.stores import SparqlStores
from llmos.workload import InferenceConfig

__all__ = ["Service"]


@dataclass(slots=True)
class Service:
    """Everything that answers requests."""

    config: InferenceConfig
    assets: ModelAssets
    server: ModelServer
    pipeline: Pipeline
    readiness: Readiness
    knowledge: ActiveKnowledge
    metrics: Metrics = field(default_factory=Metrics)
    reads: Reads = field(default_factory=Reads)
    sparql: SparqlStores | None = None
    """None: this service does not offer SPARQL."""

    num_in_flight: int = 0

    @property
    def model(self) -> dict[str, str]:
        """The model as documents name it."""
        model = self.config.model
        return {"name": model.name, "digest": model.digest, "precision": model.precision}

    @property
    def reason(self) -> str:
        """Say why it is not ready."""
        if self.readiness.is_draining:
            return "the pod is shutting down"
        return self.knowledge.state.error or self.readiness.reason

    async def aclose(self) -> None:
        """Let go of what it holds."""
        self.reads.close()
        if self.sparql is not None:
            await self.sparql.aclose()
        await self.server.aclose()
