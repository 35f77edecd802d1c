"""`python -m regnet_c` is the same as the command `regnet-c`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
