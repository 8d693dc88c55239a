"""Takes README's pictures of the page: `make screenshots`. With the bundled networks, on the drawn examples."""

from __future__ import annotations

import io
import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "vos_kd" / "demo" / "screenshots"
PATIENCE = 600_000
"""Milliseconds: both networks run on whatever processor there is."""
FRAMES = 16
SHOWN = 14
"""The frame that is shown of a result."""


def main() -> int:
    """Start the page, walk through it, and write the pictures."""
    shared = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "GRADIO_TEMP_DIR": folder, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, str(ROOT / "app.py")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as app:
            assert app.stdout is not None
            url = next(found[0] for line in app.stdout if (found := re.search(r"http://\S+", line)))
            try:
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=shared["chromium"](), args=shared["FLAGS"])
                    take_wide(browser, url)
                    take_phone(browser, url)
                    browser.close()
            finally:
                app.terminate()
    return 0


def take_wide(browser: Browser, url: str) -> None:
    """Marks, the result and the leaderboard, in light."""
    page = open_page(browser, f"{url}?example=fish", width=1200, height=760)
    page.wait_for_selector(".vk[data-view=mark]")
    save(page, "marks")
    page.get_by_role("tab", name="Leaderboard").click()
    page.wait_for_selector(".lb .plot.main .main-svg")
    page.set_viewport_size({"width": 1200, "height": 860})
    save(page, "leaderboard")
    page.get_by_role("tab", name="Compare", exact=True).click()
    run(page)
    page.set_viewport_size({"width": 1200, "height": 1060})
    save(page, "result")
    page.context.close()


def take_phone(browser: Browser, url: str) -> None:
    """A result on a phone, in dark."""
    page = open_page(browser, f"{url}?example=zoom&view=wipe", width=390, height=780, dark=True)
    page.wait_for_selector(".vk[data-view=mark]")
    run(page)
    save(page, "phone")
    page.context.close()


def open_page(browser: Browser, url: str, *, width: int, height: int, dark: bool = False) -> Page:
    """A new visitor's page."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url, wait_until="domcontentloaded")
    return page


def run(page: Page) -> None:
    """Run both networks over the first frames, and show one of them."""
    page.locator("#end").fill(str(FRAMES))
    page.wait_for_function(f"() => document.querySelector('#plan').textContent.startsWith('{FRAMES} of')")
    page.locator("#run").click()
    page.wait_for_selector(".vk[data-view=result]")
    page.wait_for_function("() => [...document.querySelectorAll('video')].every((one) => one.readyState > 1)")
    page.locator("#scrub").fill(str(SHOWN))


def save(page: Page, name: str) -> None:
    """Write what is seen as a small picture."""
    page.mouse.move(0, 0)
    page.evaluate("() => document.activeElement?.blur()")
    page.wait_for_timeout(1500)  # pictures and videos arrive, charts settle
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.save(FOLDER / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    sys.exit(main())
