"""Reading a snapshot: what is returned, how its database is asked, and who sees what.

Must not: write, or need what only builds need.
"""
