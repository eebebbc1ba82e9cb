"""A GitHub on loopback with a real workflow engine: it runs a project's workflows unchanged.

`hub.py` is what a test uses; the engine is act, the actions are stand-ins, Git is Git.
"""

from .hub import GitHub
from .pull import Pull, Refused
from .run import Run

__all__ = ["GitHub", "Pull", "Refused", "Run"]
