"""Years of operation in minutes: the real program, in a world of which one seed decides everything.

`python -m tests.simulation --seed N --years 10` runs one. Only clock, chance, network and the identity of
processes are doubled; calendar, plan, retry, collect, passes, ledger and store are the real ones.
"""

import sys
from pathlib import Path

# `canary` and its like lie in `tests`, where pytest finds them by itself.
sys.path.append(str(Path(__file__).parent.parent))
