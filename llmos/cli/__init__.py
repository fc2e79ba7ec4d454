"""The `llmos` commands: arguments in, sentences and tables out. The work is done by the packages they call."""

__all__: list[str] = []
