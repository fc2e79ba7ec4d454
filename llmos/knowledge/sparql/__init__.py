"""A snapshot as RDF: how identifiers become IRIs, the store that is derived from it, and one query's answer, bounded.

pyoxigraph does the work. It has neither a time limit nor a memory limit of its own, so whoever answers strangers runs `answer.answer` in a
process that can be killed (`llmos.runtime.sparql`). Nothing is imported here: the sidecar needs names of formats, and not the library.
Must not: know HTTP or processes; or write anything but the store it derives.
"""
