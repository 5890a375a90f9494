"""What tests that draw by chance begin with: drawn for each run, and printed, so that a run can be repeated."""

import os
import random

#: `MOORAGE_DICE` repeats what a run has drawn; `make test` draws it once for all its tests.
DICE = int(os.environ.get("MOORAGE_DICE", "0")) or random.SystemRandom().randrange(1, 2**24)
