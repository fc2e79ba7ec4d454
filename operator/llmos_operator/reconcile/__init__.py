"""Observe → decide (pure) → execute, for each kind."""

from llmos_operator.reconcile.reconciler import Ports, Reconciler

__all__ = ["Ports", "Reconciler"]
