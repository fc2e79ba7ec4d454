"""How good a model is at its task, with intervals, on labelled items it never saw; and whether that is good enough.

Importing this package imports nothing heavy: name the module you need.
"""
