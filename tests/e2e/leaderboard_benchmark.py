"""How fast the leaderboard's tab is with 200 results: `python tests/e2e/leaderboard_benchmark.py`.

A benchmark, not a test: the figures depend on the machine. `paint` is from the click on the tab to the drawn chart,
`filter` from a choice to table and chart drawn again, in milliseconds, median and the slowest.
"""

from __future__ import annotations

import argparse
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
PAINTED = "Number(document.querySelector('.lb').dataset.painted ?? 0)"
FILTERS = {
    "role": "document.querySelector('.lb .chip.baseline').click()",
    "search": "type(document.querySelector('.lb .search'), (text) => text ? '' : '-1')",
    "axis": "type(document.querySelector('.lb select[name=x]'), (key) => key === 'params' ? 'gmacs' : 'params')",
}
TYPE = """(element, next) => {
  element.value = next(element.value);
  element.dispatchEvent(new Event(element.tagName === 'SELECT' ? 'change' : 'input'));
}"""


def main(argv: list[str] | None = None) -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=int, default=200, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    arguments = parser.parse_args(argv)
    sys.path.insert(0, str(ROOT))
    made = runpy.run_path(str(ROOT / "tests" / "leaderboard_factory.py"))
    shared = runpy.run_path(str(ROOT / "tests" / "e2e" / "conftest.py"))
    test = runpy.run_path(str(ROOT / "tests" / "e2e" / "test_leaderboard.py"))
    with tempfile.TemporaryDirectory() as folder:
        made["write_folder"](Path(folder), baselines=arguments.records - 2, sequences=20, frames=66)
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-c", test["APP"], folder]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as app:
            assert app.stdout is not None
            url = next(line.strip() for line in app.stdout if line.startswith("http"))
            try:
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=shared["chromium"](), args=shared["FLAGS"])
                    paints, filters = measure(browser.new_page(), url, arguments.rounds)
                    browser.close()
            finally:
                app.terminate()
    sys.stdout.write(f"{arguments.records} records, {arguments.rounds} rounds; ms: median, slowest\n")
    for name, values in [("paint", paints), *filters.items()]:
        sys.stdout.write(f"{name:12} {statistics.median(values):6.0f} {max(values):6.0f}\n")
    return 0


def measure(page: Page, url: str, rounds: int) -> tuple[list[float], dict[str, list[float]]]:
    """Milliseconds of paints and of each filter."""
    paints: list[float] = []
    filters: dict[str, list[float]] = {name: [] for name in FILTERS}
    for _ in range(rounds):
        page.goto(url, wait_until="networkidle")
        began = time.perf_counter()
        page.get_by_role("tab", name="Leaderboard").click()
        page.wait_for_selector(".lb[data-painted]")
        paints.append(1000 * (time.perf_counter() - began))
        page.wait_for_timeout(1000)
        for name, act in FILTERS.items():
            for _ in range(2):  # on and off again
                took = page.evaluate(
                    f"""async () => {{
                      const type = {TYPE}, before = {PAINTED}, began = performance.now();
                      {act};
                      while ({PAINTED} === before && performance.now() - began < 5000)
                        await new Promise((resolve) => requestAnimationFrame(resolve));
                      return performance.now() - began;
                    }}"""
                )
                filters[name].append(took)
    return paints, filters


if __name__ == "__main__":
    sys.exit(main())
