"""The local cluster, the images, and the one client through which this package speaks to Kubernetes."""

from llmos.local.cluster import Cluster, borrowed, ensure
from llmos.local.helm import Helm, HelmError
from llmos.local.kubectl import Document, Kubectl, KubectlError, poll_until
from llmos.local.settings import LocalSettings

__all__ = ["Cluster", "Document", "Helm", "HelmError", "Kubectl", "KubectlError", "LocalSettings", "borrowed", "ensure", "poll_until"]
