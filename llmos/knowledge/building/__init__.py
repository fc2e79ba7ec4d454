"""What sources say → one snapshot: merged, checked, derived, written.

Must not: fetch or push; `build_job` does.
"""
