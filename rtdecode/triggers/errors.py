"""What goes wrong when a trigger is given."""


class OutputError(Exception):
    """An output did not do what it should; the message says which and why."""
