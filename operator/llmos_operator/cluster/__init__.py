"""The cluster: a port, the one real client behind it, a fake for tests, and the memory of what the watches said."""

from llmos_operator.cluster.cache import Cache
from llmos_operator.cluster.port import ClusterClient, ClusterError, ClusterRefused, ClusterUnavailable, ObjectExists, TokenIdentity

__all__ = ["Cache", "ClusterClient", "ClusterError", "ClusterRefused", "ClusterUnavailable", "ObjectExists", "TokenIdentity"]
