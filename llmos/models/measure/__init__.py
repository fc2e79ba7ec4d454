"""What is measured of an export: how far it is from its original, what its answers depend on, how long and how much memory it takes.

Must not: decide; the caller holds the numbers against its bounds. Import from the files here: most of them need torch.
"""

__all__: list[str] = []
