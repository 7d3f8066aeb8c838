"""``python -m tradercast`` is ``tradercast``."""

import sys

from tradercast.cli import main

if __name__ == "__main__":
    sys.exit(main())
