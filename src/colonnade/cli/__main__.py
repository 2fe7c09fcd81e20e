"""``python -m colonnade.cli <verb>``."""

import sys

from colonnade.cli.commands import main

sys.exit(main())
