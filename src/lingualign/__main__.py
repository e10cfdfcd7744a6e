"""``python -m lingualign``."""

import sys

from lingualign.cli import main

sys.exit(main())
