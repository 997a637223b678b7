import inspect

import pytest

from trirl_robot import errors


def test_every_exception_hangs_below_one_root():
    classes = [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
    ]
    assert len(classes) > 5
    assert all(issubclass(c, errors.TrirlError) for c in classes)
    assert all(c.__doc__ for c in classes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("so100", "unknown robot 'so100': did you mean 'so101'? valid names are jaco, so101"),
        ("zzz", "unknown robot 'zzz': valid names are jaco, so101"),
    ],
)
def test_an_unknown_name_gets_the_nearest_valid_one(name, expected):
    assert errors.unknown_name("robot", name, ["so101", "jaco"]) == expected


def test_an_empty_list_of_names_is_said():
    assert errors.unknown_name("task", "a", []).endswith("valid names are (none)")
