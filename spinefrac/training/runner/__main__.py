"""The process that executes training runs: ``python -m spinefrac.training.runner [TOKEN]``."""

import sys

from spinefrac.training.runner.supervisor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
