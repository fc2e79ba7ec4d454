"""Reading: one file a format, each turns a file into entities, names, facts and attributes of a `Sink`.

Must not: fetch, merge or store.
"""
