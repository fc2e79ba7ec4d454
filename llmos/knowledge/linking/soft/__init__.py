"""Matching parts of a text that are no name with the names most like them.

Must not: run where a name was found, or know facts.
"""
