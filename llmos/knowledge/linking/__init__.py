"""Names in text: what a token is, which names can be found, and finding them.

Must not: know facts or files.
"""
