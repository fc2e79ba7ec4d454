"""The sidecar's Prometheus metrics; Triton's own are appended where they are served.

Must not: label anything with what a user sent.
"""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from llmos.knowledge.linking.normalise import keys
from llmos.runtime.drift import EntityDrift
from llmos.runtime.pipeline import ActiveSnapshot, Answer, SnapshotKey

__all__ = ["Metrics"]

_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry for each app, so that tests and processes do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("llmos_predict_requests", "Answered requests, by HTTP status.", ["status"], registry=self.registry)
        self.stage_s = Histogram(
            "llmos_predict_stage_seconds", "Time of one stage of a request.", ["stage"], buckets=_BUCKETS_S, registry=self.registry
        )
        self.in_flight = Gauge("llmos_predict_in_flight", "Requests being answered now.", registry=self.registry)
        self.entities = Counter("llmos_linked_entities", "Mentions found in texts.", ["knowledge"], registry=self.registry)
        self.texts = Counter("llmos_linked_texts", "Texts in which names were looked for.", ["knowledge"], registry=self.registry)
        self.unlinked_texts = Counter("llmos_unlinked_texts", "Texts of these without any.", ["knowledge"], registry=self.registry)
        self.words = Counter("llmos_linked_words", "Words of these texts.", ["knowledge"], registry=self.registry)
        self.unlinked_words = Counter("llmos_unlinked_words", "Words of these in no name.", ["knowledge"], registry=self.registry)
        self.drift = Gauge(
            "llmos_linked_entity_drift",
            "Jensen-Shannon divergence (bits) of the entities in the latest 1,000 mentions from those in the first 1,000 of this snapshot.",
            ["knowledge"],
            registry=self.registry,
        )
        self._drifts: dict[SnapshotKey, EntityDrift] = {}
        self.ready = Gauge("llmos_ready", "1 if the pod is ready.", registry=self.registry)
        self.active = Gauge("llmos_snapshot_active", "1 for each snapshot that answers.", ["knowledge", "digest"], registry=self.registry)
        self.switches = Counter("llmos_snapshot_switches", "Sets of snapshots that took over.", registry=self.registry)
        self.switch_failing = Gauge(
            "llmos_snapshot_switch_failing", "1 while the wanted snapshots cannot be served.", registry=self.registry
        )
        self.reads = Counter(
            "llmos_knowledge_requests",
            "Answered reads of a knowledge base, by endpoint and HTTP status.",
            ["endpoint", "status"],
            registry=self.registry,
        )
        self.sparql_queries = Counter(
            "llmos_sparql_queries", "SPARQL queries, by what became of them.", ["outcome"], registry=self.registry
        )
        self.sparql_s = Histogram(
            "llmos_sparql_query_seconds",
            "Time of a SPARQL query, waiting for a worker included.",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.triton_up = Gauge("llmos_triton_metrics_up", "1 if Triton's metrics could be read.", registry=self.registry)

    def observe_linking(self, answer: Answer) -> None:
        """Count what an answer found in its text, for each knowledge base."""
        for active in answer.knowledge:
            mentions = [item.mention for item in answer.mentions if item.knowledge == active.name]
            num_linked = sum(len(keys(mention.text)) for mention in mentions)
            self.entities.labels(active.name).inc(len(mentions))
            self.texts.labels(active.name).inc()
            self.unlinked_texts.labels(active.name).inc(0 if mentions else 1)
            self.words.labels(active.name).inc(answer.num_words)
            self.unlinked_words.labels(active.name).inc(max(answer.num_words - num_linked, 0))
            drift = self._drifts.setdefault(active.key, EntityDrift()).add(mention.id for mention in mentions)
            if drift is not None:
                self.drift.labels(active.name).set(drift)

    def observe_switch(self, knowledge: Sequence[ActiveSnapshot]) -> None:
        """Show another set of snapshots; what was linked with one that is gone is no measure for the next."""
        self.switches.inc()
        self.active.clear()
        self.drift.clear()
        for item in knowledge:
            self.active.labels(item.name, item.digest).set(1)
        self._drifts = {key: drift for key, drift in self._drifts.items() if key in {item.key for item in knowledge}}

    def render(self, server_metrics: str) -> bytes:
        """Return everything as text, with the model server's metrics at the end."""
        self.triton_up.set(1 if server_metrics else 0)
        return generate_latest(self.registry) + server_metrics.encode()
