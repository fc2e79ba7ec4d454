"""How labelled items become inputs of a model, and its outputs predictions: one class for each kind of task.

Importing this package imports nothing heavy: name the module you need.
"""
