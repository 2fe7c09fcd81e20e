import json

import pytest

from colonnade.core.errors import MissingExtraError
from colonnade.core.optional import optional_import


def test_a_module_that_is_there_is_returned():
    assert optional_import("json", "x") is json


def test_a_module_that_is_not_names_its_extra():
    with pytest.raises(MissingExtraError, match=r"no_such_package is not installed: pip install 'colonnade\[sql\]'"):
        optional_import("no_such_package.deep", "sql")
