"""The pack's folders on the path, as Salt's loader and the demo have them."""

import sys
from pathlib import Path

_PACK = Path(__file__).parents[1]

for _room in ("tests/integration", "tests/functional", "demo", "_utils"):
    sys.path.insert(0, str(_PACK / _room))
