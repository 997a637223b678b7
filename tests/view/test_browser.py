"""The real command, looked at and clicked in a real browser."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
from PIL import Image

pytest.importorskip("mujoco")
pytest.importorskip("playwright")
from playwright.sync_api import sync_playwright

from trirl_robot.sim.env import make_env
from trirl_robot.sim.episode_random import Purpose

pytestmark = pytest.mark.browser

TASK, SIMULATIONS, SEED = "jaco-reach", 3, 4
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
COMMAND = """
import signal, sys
from trirl_robot.cli.main import main
# a shell that runs in the background lets its children ignore Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[1:])
"""
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def viewer():
    """The process of `trirl view`, and the address that it prints."""
    arguments = ["view", TASK, "--port", "0", "--num-envs", str(SIMULATIONS), "--seed", str(SEED)]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    yield process, re.search(r"http://\S+", line).group()
    if process.poll() is None:
        process.kill()
    process.stdout.close()
    process.wait()


@pytest.fixture(scope="module")
def page(viewer):
    """The page in a browser, paused as soon as it is there."""
    browser = shutil.which("chromium")
    if browser is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium here; tools/install-system-packages installs it")
        pytest.skip("there is no chromium here")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(WAIT_MS)
        page.goto(viewer[1])
        page.wait_for_selector("canvas")
        page.wait_for_selector("#status")
        click(page, "Pause")
        page.wait_for_selector("text=paused")
        yield page
        chromium.close()


def click(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def status(page):
    """The table of how the episode goes, by name."""
    rows = page.locator("#status tr").all_inner_texts()
    return dict(row.split("\t") for row in rows)


def episode(page):
    return int(status(page)["episode"].split()[0])


def wait_for_change(page, selector, before):
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).innerText != before",
        arg=[selector, before],
    )


def shown_values(page):
    """Every number in the table of drawn values, in its order."""
    return page.locator("#drawn td:nth-child(2)").all_inner_texts()


def drawn_values(sim, episode):
    """What is drawn for an episode, found without the viewer; equal ones of a quantity once."""
    env = make_env(TASK, num_envs=SIMULATIONS, seed=SEED, nthread=1, purpose=Purpose.EVALUATION)
    env.reset()
    for _ in range(episode - 1):
        env.reset(np.array([sim]))
    quantities = {}
    for name, value in env.drawn(sim).items():
        quantities.setdefault(name.partition("/")[0], {})[value] = f"{value:.3g}"
    return [text for values in quantities.values() for text in values.values()]


def picture(page):
    return np.array(Image.open(io.BytesIO(page.locator("canvas").first.screenshot())))


def test_the_arm_is_seen(page):
    colours = picture(page).reshape(-1, picture(page).shape[2])[:, :3]
    grey = np.ptp(colours.astype(int), axis=1) < 30
    dark = colours.max(axis=1) < 120
    # Jaco is dark grey, the floor nearly white, the target orange
    assert 0.005 < (grey & dark).mean() < 0.5
    orange = (colours[:, 0] > 200) & (colours[:, 2] < 140)
    assert 0 < orange.mean() < 0.1


def test_what_was_drawn_is_shown_for_each_simulation(page):
    seen = []
    for sim in range(SIMULATIONS):
        values = shown_values(page)
        assert len(values) > 20
        assert values == drawn_values(sim, episode(page))
        seen.append(values)
        before = page.locator("#drawn").inner_text()
        click(page, "Next")
        wait_for_change(page, "#drawn", before)
    assert len({tuple(values) for values in seen}) == SIMULATIONS
    # after the last comes the first
    assert shown_values(page) == seen[0]
    click(page, "Previous")
    page.wait_for_function(
        "count => [...document.querySelectorAll('input')].some(i => i.value == count)",
        arg=str(SIMULATIONS),
    )


def test_a_step_goes_on_by_one_period_and_moves_the_arm(page):
    before, scene = status(page), picture(page)
    text = page.locator("#status").inner_text()
    click(page, "Step")
    wait_for_change(page, "#status", text)
    after = status(page)
    period = float(after["time"].split()[0]) - float(before["time"].split()[0])
    assert period == pytest.approx(0.04, abs=0.011)  # two decimals are shown
    assert after["speed"] == "paused"
    page.wait_for_timeout(500)
    assert (picture(page) != scene).any()


def test_a_reset_draws_anew(page):
    number, values = episode(page), page.locator("#drawn").inner_text()
    sim = int(re.search(r"environment (\d+)", status(page)["episode"]).group(1))
    click(page, "Reset")
    wait_for_change(page, "#drawn", values)
    assert episode(page) == number + 1
    assert status(page)["time"].startswith("0.00 of")
    assert shown_values(page) == drawn_values(sim, number + 1)


def test_a_pause_costs_nothing_and_a_resume_goes_on(page, viewer):
    process = psutil.Process(viewer[0].pid)
    used, before = sum(process.cpu_times()[:2]), status(page)["time"]
    page.wait_for_timeout(1500)
    assert sum(process.cpu_times()[:2]) - used < 0.15
    assert status(page)["time"] == before
    text = page.locator("#status").inner_text()
    click(page, "Resume")
    wait_for_change(page, "#status", text)
    click(page, "Pause")
    page.wait_for_selector("text=paused")
    assert status(page)["time"] != before


def test_control_c_ends_the_viewer_without_a_word(page, viewer):
    process = viewer[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert process.stdout.read().strip() == ""
