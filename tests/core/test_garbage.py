import gc

import pytest

from colonnade.core.garbage import seldom_collected


def test_the_usual_pace_comes_back():
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        with pytest.raises(KeyError), seldom_collected():
            assert gc.get_threshold() == (100_000, 20, 100)
            raise KeyError
        assert gc.get_threshold() == (700, 10, 10)
    finally:
        gc.set_threshold(*before)
