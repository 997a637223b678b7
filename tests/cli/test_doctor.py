import json
import os
import sys

import pytest
from click.testing import CliRunner

from trirl_robot.cli import doctor, doctor_machine
from trirl_robot.cli.doctor_machine import Check


def check(status="ok", needed=True, mend=""):
    return Check(name="Thing", status=status, found="found", needed=needed, mend=mend)


def run_with(monkeypatch, checks, *arguments):
    monkeypatch.setattr(doctor_machine, "CHECKS", tuple(lambda c=c: c for c in checks))
    return CliRunner().invoke(doctor.command, arguments)


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([check()], 0),
        ([check("missing", needed=False), check()], 0),
        ([check("differs")], 0),
        ([check(), check("missing")], 1),
    ],
)
def test_the_status_says_whether_the_demo_can_run(monkeypatch, checks, status):
    assert run_with(monkeypatch, checks).exit_code == status
    result = run_with(monkeypatch, checks, "--json")
    assert result.exit_code == status
    report = json.loads(result.stdout)
    assert report["ready"] is (status == 0)
    assert [row["status"] for row in report["checks"]] == [c.status for c in checks]


def test_the_table_says_how_to_get_what_is_missing(monkeypatch):
    result = run_with(monkeypatch, [check("missing", mend="pip install '.[sim]'")])
    assert "pip install '.[sim]'" in " ".join(result.output.split())


def test_declared_packages_are_compared_with_the_tested_versions(monkeypatch):
    assert {"mujoco", "h5py"} <= set(doctor_machine.required_packages("sim"))
    assert "click" in doctor_machine.required_packages(None)
    assert "torch" not in doctor_machine.required_packages(None)
    assert doctor_machine.packages(None).status == "ok"
    monkeypatch.setattr(doctor_machine, "tested_versions", lambda: {"click": "0.0.1"})
    differing = doctor_machine.packages(None)
    assert differing.status == "differs"
    assert "click" in differing.found
    monkeypatch.setattr(
        doctor_machine, "required_packages", lambda extra: ["click", "surely-not-here"]
    )
    missing = doctor_machine.packages("sim")
    assert missing.status == "missing"
    assert "surely-not-here" in missing.found
    assert ".[sim]" in missing.mend


def test_tested_versions_are_read_by_normalised_name():
    versions = doctor_machine.tested_versions()
    assert versions["dm-control"]
    assert versions["imageio-ffmpeg"]


def test_a_probe_that_fails_or_hangs_is_missing(monkeypatch):
    failed = doctor_machine._probe(
        "x", ["-c", "raise ValueError('broken driver')"], needed=True, mend="m"
    )
    assert (failed.status, failed.found, failed.mend) == ("missing", "broken driver", "m")
    crashed = doctor_machine._probe("x", ["-c", "import os; os.abort()"], needed=True, mend="m")
    assert crashed.status == "missing"
    assert "-6" in crashed.found
    monkeypatch.setattr(doctor_machine, "PROBE_SECONDS", 0.5)
    hung = doctor_machine._probe("x", ["-c", "import time; time.sleep(60)"], needed=True, mend="m")
    assert (hung.status, hung.found) == ("missing", "no answer within 0 s")


def test_the_machine_s_own_figures():
    assert doctor_machine.python_version().status == "ok"
    assert int(doctor_machine.cores().found) == len(os.sched_getaffinity(0))
    total_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    assert 0.0 < free_gib() < total_gib


def free_gib():
    amount, unit, _ = doctor_machine.memory().found.split()
    assert unit == "GiB"
    return float(amount)


def test_little_memory_is_told_from_enough(monkeypatch):
    monkeypatch.setattr(doctor_machine, "LEAST_MEMORY_GIB", 0.0)
    assert (doctor_machine.memory().status, doctor_machine.memory().mend) == ("ok", "")
    monkeypatch.setattr(doctor_machine, "LEAST_MEMORY_GIB", 1e6)
    assert doctor_machine.memory().status == "differs"
    assert "close programs" in doctor_machine.memory().mend


def test_without_the_ros_packages_the_doctor_says_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "trirl_bringup.domain", None)
    found = doctor_machine.ros()
    assert (found.status, found.mend) == ("missing", "make setup")


def test_what_is_not_a_subject_is_refused_with_the_nearest_one():
    result = CliRunner().invoke(doctor.command, ["robots", "so101"])
    assert "did you mean 'robot'" in str(result.exception)


def test_an_option_before_the_subject_says_where_it_belongs():
    result = CliRunner().invoke(doctor.command, ["--json", "robot", "so101"])
    assert result.exit_code == 2
    assert "write --json after 'robot'" in result.output


@pytest.mark.ros
def test_two_ros_processes_hear_each_other():
    pytest.importorskip("rclpy")
    found = doctor_machine.ros()
    assert found.status == "ok", found.found
    assert "rmw" in found.found
