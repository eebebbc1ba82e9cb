"""The one error that a person is meant to read."""


class ProjectError(Exception):
    """An expected failure: one sentence with the value, the rule and the next step.

    Only `cli.main` catches it; it prints the sentence and exits with `exit_code`. Every other
    exception is a bug and keeps its traceback.
    """

    exit_code = 1
