"""A chain as a tree for people: every version and payload with its state. Must not: judge anything."""

from typing import Final

from rich.markup import escape
from rich.tree import Tree

from llmos.artifacts import LinkState
from llmos.cli.examination import ExaminedLink, Root, payload_name

__all__ = ["render_chain"]

_COLOUR: Final = {
    LinkState.Present: "green",
    LinkState.Pruned: "yellow",
    LinkState.Forgotten: "yellow",
    LinkState.Missing: "bold red",
    LinkState.Mismatch: "bold red",
}


def render_chain(root: Root, links: list[ExaminedLink]) -> Tree:
    """Return the tree of one chain; the digests are whole, for people copy them."""
    trees: dict[str, Tree] = {}
    first, *rest = links
    label = f"{root.role}: " if root.role else ""
    top = trees[""] = Tree(_version_label(f"{label}{root.target.kind.lower()}/{root.target.name}", first))
    _add_payloads(top, first)
    for item in rest:
        parent, role = _split(item.link.path, trees)
        name = item.repository.rpartition("/")[2]
        label = f"{role}: {name}" if name and not role.endswith(f"/{name}") else role
        tree = trees[item.link.path] = trees[parent].add(_version_label(label, item))
        _add_payloads(tree, item)
    versions = sum(not item.link.is_repeated for item in links)
    holds = "holds" if not any(item.broken for item in links) else "is broken"
    payloads = sum(len(item.payloads) for item in links)
    top.add(f"[dim]the chain {holds}: {_plural(versions, 'version')}, {_plural(payloads, 'payload')}[/dim]")
    return top


def _split(path: str, trees: dict[str, Tree]) -> tuple[str, str]:
    """Split a path into the longest one that stands in the tree, and the role below it: a role may have a `/` itself."""
    parents = [known for known in trees if known and path.startswith(f"{known}/")]
    parent = max(parents, key=len, default="")
    return parent, path[len(parent) :].lstrip("/")


def _version_label(name: str, item: ExaminedLink) -> str:
    again = " [dim](as above)[/dim]" if item.link.is_repeated else ""
    return f"[bold]{escape(name)}[/bold] {item.link.digest} {_state(item.link.state, item.link.problem)}{again}"


def _add_payloads(tree: Tree, item: ExaminedLink) -> None:
    for report in item.payloads:
        size = f"{report.payload.size_bytes / 1e6:,.1f} MB in {_plural(report.files, 'file')}"
        tree.add(f"{escape(payload_name(report))} [dim]{report.payload.digest}[/dim] {size} {_state(report.state, report.problem)}")


def _state(state: LinkState, problem: str) -> str:
    colour = _COLOUR[state]
    return f"[{colour}]{state}[/{colour}]" + (f": [{colour}]{escape(problem)}[/{colour}]" if problem else "")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"
