"""``python -m spinefrac …`` is the command line."""

import sys

from spinefrac.cli import main

if __name__ == "__main__":
    sys.exit(main())
