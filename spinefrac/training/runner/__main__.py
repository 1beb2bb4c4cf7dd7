"""The process that executes training runs: ``python -m spinefrac.training.runner [TOKEN]``."""

import sys

from spinefrac.system import processes
from spinefrac.training.runner.supervisor import main

if __name__ == "__main__":
    processes.lower_priority()  # its folds take all cores, and people look at pages meanwhile
    sys.exit(main(sys.argv[1:]))
