"""The LLMOS operator: four custom resources in, Kubernetes objects and status out.

Owns reconciliation only. Must not: read payload, run models, or talk to a cluster anywhere but in `cluster/aio.py`.
"""

__all__: list[str] = []
