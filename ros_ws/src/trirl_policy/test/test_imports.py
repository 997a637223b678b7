"""The package runs on a robot's computer: neither torch nor a simulator is there."""

import subprocess
import sys

BLOCKED = ("torch", "mujoco", "onnx", "h5py", "dm_control", "gymnasium")

PROGRAM = f"""
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)

sys.meta_path.insert(0, Blocker())
import trirl_policy
for module in pkgutil.iter_modules(trirl_policy.__path__):
    importlib.import_module(f"trirl_policy.{{module.name}}")
print("imported", [name for name in {BLOCKED!r} if name in sys.modules])
"""


def test_every_module_imports_without_torch_and_simulator():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "imported []"
