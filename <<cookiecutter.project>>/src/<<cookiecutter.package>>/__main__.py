"""Run the command line: `python -m PACKAGE`."""

import sys

from .cli import main

sys.exit(main())
