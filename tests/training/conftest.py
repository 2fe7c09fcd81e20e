import sys
from pathlib import Path

# ``kit`` stands beside the tests.
sys.path.insert(0, str(Path(__file__).parent))
