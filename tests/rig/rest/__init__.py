"""The REST API: which operations there are, and what each needs.

A route is written down as GitHub's OpenAPI description names it, with the permissions of which one
is enough for a workflow's token or an app's. What is not written down here is answered with 404
and counts as a violation, which the tests look for.
"""

from . import actions, commits, issues, pulls, releases, repository, rules
from .route import ROUTES, Answer, Asked, answer

# Importing them registers their routes.
RESOURCES = (actions, commits, issues, pulls, releases, repository, rules)

__all__ = ["RESOURCES", "ROUTES", "Answer", "Asked", "answer"]
