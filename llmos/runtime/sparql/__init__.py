"""SPARQL over HTTP: a pool of processes that can be killed, the stores they read, and the endpoint in front.

Must not: be imported where a service does not offer SPARQL; pyoxigraph stays in the workers.
"""
