"""Every module of every package can be imported: a misspelt import is found here."""

import importlib
import importlib.util
import pkgutil

import pytest

ROOTS = ("trirl_robot", "teleop", "trirl_policy", "trirl_sim_hardware", "trirl_bringup")


def modules_of(root):
    spec = importlib.util.find_spec(root)
    if spec is None or spec.submodule_search_locations is None:
        return [root]
    found = pkgutil.walk_packages(spec.submodule_search_locations, f"{root}.")
    return [root, *(module.name for module in found if not module.name.endswith("__main__"))]


@pytest.mark.parametrize("name", [name for root in ROOTS for name in modules_of(root)])
def test_the_module_can_be_imported(name):
    importlib.import_module(name)
