import sys
from pathlib import Path

import pytest

# Tests here share one helper module; they have no package, like all tests of this repository.
sys.path.insert(0, str(Path(__file__).parent))

from world import World


@pytest.fixture
def world() -> World:
    return World()
