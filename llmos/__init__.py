"""LLMOS as a library: models, knowledge and artifacts, usable in a notebook as in a pod.

Importing it must stay cheap: no torch, no Kubernetes client. Sub-packages are imported by name (`from llmos import artifacts`).
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
