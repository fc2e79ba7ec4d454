"""Measurements that the issues ask for; each module is a program, `python -m bench.<name>`. Not part of the product."""
