import subprocess
from importlib.metadata import version

from trirl_robot.versions import package_versions, revision


def test_versions_of_packages_also_of_those_that_are_not_there():
    found = package_versions(("numpy", "surely-not-here"))
    assert found == {"numpy": version("numpy"), "surely-not-here": "not installed"}


def test_the_revision_tells_changed_from_committed(tmp_path):
    assert revision(tmp_path) is None

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "a")
    clean = revision(tmp_path)
    assert clean
    assert "dirty" not in clean
    (tmp_path / "a").write_text("2")
    assert revision(tmp_path) == f"{clean}-dirty"
