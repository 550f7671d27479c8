"""``python -m syncd.emulator``."""

import sys

from syncd.emulator.server import main

sys.exit(main())
