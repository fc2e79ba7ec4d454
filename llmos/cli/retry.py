"""`llmos retry KIND/NAME`: ask once more for what has failed for good, or for what the registry has lost."""

from datetime import UTC, datetime

from llmos.cli import options
from llmos.cli.targets import TargetArgument, parse_target
from llmos.local.cluster import existing
from llmos.local.kubectl import Kubectl
from llmos.local.progress import say

__all__ = ["request_again", "retry"]


def retry(
    target: TargetArgument,
    namespace: options.Namespace = "",
) -> None:
    """Try once more what has failed for good, or make again what the registry has lost."""
    request_again(existing().kubectl(namespace or None), target, datetime.now(UTC))
    say(f"{target} is tried again; watch it with `llmos kubectl get {target.partition('/')[0]} --watch`")


def request_again(kubectl: Kubectl, target: str, now: datetime) -> None:
    """Set the annotation that asks for another attempt.

    Args:
        kubectl: of the cluster, in the object's namespace.
        target: KIND/NAME, the kind by any of its names.
        now: becomes the annotation's value.

    Raises: ConfigError if the kind has no attempts; NotFoundError if there is no such object.
    """
    found = parse_target(target, "Model", "KnowledgeBase", "TrainingJob", purpose="tried again")
    value = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    kubectl.run("annotate", "--overwrite", f"{found.resource}/{found.name}", f"llmos.dev/requested-at={value}")
