"""The one error of this package that its commands show to a person."""


class DevError(Exception):
    """Something a person can act on: one sentence that says what and what to do. Commands print it and exit 1."""
