"""What this machine has, what is missing, and how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trirl_robot.errors import DeploymentError
from trirl_robot.own_process import python_command, python_environment

Status = Literal["ok", "differs", "missing"]

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
DEMO_EXTRAS = ("sim", "teleop", "train", "ros")
LEAST_MEMORY_GIB = 4.0
PROBE_SECONDS = 60.0
INSTALL = "make setup, or: pip install -c constraints.txt -e '.[{extra}]'"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row of the table."""

    name: str
    """What was looked at."""
    status: Status
    """`differs` works but is not what was tested."""
    found: str
    """What was found."""
    needed: bool
    """Whether `trirl demo` needs it."""
    mend: str = ""
    """How to get it; empty when nothing is to be done."""


def python_version() -> Check:
    """Check the interpreter."""
    version = sys.version_info
    fits = (3, 11) <= version[:2] < (3, 13)
    return Check(
        name="Python",
        status="ok" if fits else "missing",
        found=f"{version.major}.{version.minor}.{version.micro}",
        needed=True,
        mend="" if fits else "install Python 3.11 or 3.12, then: make clean setup",
    )


def packages(extra: str | None) -> Check:
    """Compare what is installed with the tested versions.

    Args:
        extra: an optional extra of this package, or None for what is always needed.
    """
    tested = tested_versions()
    right, differing, absent = [], [], []
    for name in required_packages(extra):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
            continue
        expected = tested.get(normalised(name))
        if expected is None or _public(expected) == _public(version):
            right.append(name)
        else:
            differing.append(f"{name} {version} (tested: {expected})")
    parts = [f"{len(right)} as tested"] * bool(right) + differing
    parts += [f"missing: {', '.join(absent)}"] * bool(absent)
    status: Status = "missing" if absent else "differs" if differing else "ok"
    return Check(
        name=f"Packages: {extra}" if extra else "Packages",
        status=status,
        found="; ".join(parts) or "none needed",
        needed=True,
        mend="" if status == "ok" else INSTALL.format(extra=extra or "sim"),
    )


def cores() -> Check:
    """Count the cores that this process may use."""
    count = len(os.sched_getaffinity(0))
    return Check(name="Cores", status="ok", found=str(count), needed=False)


def memory() -> Check:
    """Read how much memory is free."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    gib = int(found[1]) / 2**20 if found else 0.0
    enough = gib >= LEAST_MEMORY_GIB
    return Check(
        name="Memory",
        status="ok" if enough else "differs",
        found=f"{gib:.1f} GiB available",
        needed=True,
        mend="" if enough else f"the demo uses up to {LEAST_MEMORY_GIB:.0f} GiB: close programs",
    )


def gpu() -> Check:
    """Look for a CUDA device that torch can use."""
    code = (
        "import torch\n"
        "assert torch.cuda.is_available(), 'the demo does not need one'\n"
        "print(torch.cuda.get_device_name(0))"
    )
    return _probe("GPU", ["-c", code], needed=False, mend="optional: a driver, and torch for CUDA")


def rendering() -> Check:
    """Render a frame without a screen, on EGL or else in software."""
    for backend in ("egl", "osmesa"):
        check = _module_probe("render", "Rendering", {"MUJOCO_GL": backend}, needed=False)
        if check.status == "ok":
            break
    mend = "apt-get install libegl1 libgl1-mesa-dri libosmesa6 (else the report has no video)"
    return Check(
        name=check.name,
        status=check.status,
        found=f"{backend}: {check.found}" if check.status == "ok" else check.found,
        needed=False,
        mend="" if check.status == "ok" else mend,
    )


def dm_control() -> Check:
    """Check that dm_control and MuJoCo suit each other."""
    variables = {"MUJOCO_GL": "disabled"}
    mend = "pip install mujoco==3.17.0 dm_control==1.0.50"
    return _module_probe("dm-control", "dm_control", variables, needed=False, mend=mend)


def ffmpeg() -> Check:
    """Check the video encoder that a package carries."""
    code = (
        "import imageio_ffmpeg, subprocess\n"
        "text = subprocess.check_output([imageio_ffmpeg.get_ffmpeg_exe(), '-encoders'], "
        "stderr=subprocess.DEVNULL, text=True)\n"
        "assert 'libx264' in text, 'no H.264 encoder'\n"
        "print('ffmpeg', imageio_ffmpeg.get_ffmpeg_version().split('-')[0] + ', H.264')"
    )
    return _probe("ffmpeg", ["-c", code], needed=False, mend=INSTALL.format(extra="train"))


def ros() -> Check:
    """Send a message from one process to another over the loopback interface."""
    try:
        domain = importlib.import_module("trirl_bringup.domain")
        with domain.own_domain() as variables:  # not that of a graph that is already running
            return _ros_probe(variables)
    except ModuleNotFoundError:
        found, mend = "the package trirl_bringup is not installed", "make setup"
    except DeploymentError as error:
        found, mend = str(error), ""
    return Check(name="ROS 2", status="missing", found=found, needed=True, mend=mend)


def _ros_probe(variables: dict[str, str]) -> Check:
    publisher = subprocess.Popen(
        python_command("-m", "trirl_robot.cli.probes", "ros-publish"),
        env=python_environment(**variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        mend = INSTALL.format(extra="ros") + "; or source a ROS 2 installation"
        return _module_probe("ros-listen", "ROS 2", variables, needed=True, mend=mend)
    finally:
        publisher.kill()
        publisher.wait()


CHECKS: tuple[Callable[[], Check], ...] = (
    python_version,
    cores,
    memory,
    lambda: packages(None),
    *((lambda extra=extra: packages(extra)) for extra in DEMO_EXTRAS),
    dm_control,
    gpu,
    rendering,
    ffmpeg,
    ros,
)


def tested_versions() -> dict[str, str]:
    """Return the version of each package in `constraints.txt`, by normalised name."""
    if not CONSTRAINTS.is_file():
        return {}
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {normalised(name): version.strip() for name, version in pairs}


def required_packages(extra: str | None) -> list[str]:
    """Return the names of the packages that this package declares for an extra."""
    names = []
    for requirement in importlib.metadata.requires("trirl-robot") or []:
        wanted = re.search(r"extra == ['\"]([^'\"]+)['\"]", requirement)
        if (wanted[1] if wanted else None) == extra:
            names.append(re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0])
    return names


def normalised(name: str) -> str:
    """Return the name of a package as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _public(version: str) -> str:
    return version.partition("+")[0]  # 2.13.0+cpu and 2.13.0+cu130 are the same release


def _module_probe(
    probe: str, name: str, variables: dict[str, str], *, needed: bool, mend: str = ""
) -> Check:
    arguments = ["-m", "trirl_robot.cli.probes", probe]
    return _probe(name, arguments, needed=needed, mend=mend, variables=variables)


def _probe(
    name: str,
    arguments: list[str],
    *,
    needed: bool,
    mend: str,
    variables: dict[str, str] | None = None,
) -> Check:
    """Run Python in a process of its own; its last line is what was found."""
    try:
        ended = subprocess.run(
            python_command(*arguments),
            env=python_environment(**(variables or {})),
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        found = f"no answer within {PROBE_SECONDS:.0f} s"
        return Check(name=name, status="missing", found=found, needed=needed, mend=mend)
    worked = ended.returncode == 0
    lines = (ended.stdout if worked else ended.stderr).strip().splitlines()
    found = lines[-1] if lines else f"ended with status {ended.returncode}"
    return Check(
        name=name,
        status="ok" if worked else "missing",
        found=re.sub(r"^\w+(\.\w+)*Error: ", "", found),
        needed=needed,
        mend="" if worked else mend,
    )
