"""The page in a browser, as a visitor uses it; quick stand-ins take the networks' place where they do not matter."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from vos_kd.data.synthetic import render_clip
from vos_kd.examples import list_examples
from vos_kd.video_io import VideoWriter

ROOT = Path(__file__).parents[2]
PATIENCE = 60_000
"""Milliseconds: other tests fill the cores."""
MASK = "#stage-canvas"
pytestmark = pytest.mark.e2e


class Drawn(NamedTuple):
    """A clip on disk, and the truth of its first frame."""

    path: Path
    truth: np.ndarray


def draw_clip(folder: Path, name: str, frames: int, height: int = 120, width: int = 200) -> Drawn:
    drawn = render_clip("kites", frames=min(frames, 20), height=height, width=width)
    with VideoWriter(folder / name, fps=10) as video:
        for index in range(frames):
            video.write(drawn.images[index % len(drawn.images)])
    return Drawn(folder / name, drawn.masks[0])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw_clip(tmp_path_factory.mktemp("clip"), "small clip.mp4", 20)


@pytest.fixture(scope="module")
def address(serve: Callable[[Sequence[str]], str]) -> str:
    return serve([sys.executable, str(Path(__file__).with_name("quick_app.py"))])


@contextmanager
def visit(browser: Browser, address: str, query: str = "", **options: Any) -> Iterator[Page]:
    """A new visitor's page. At its end: no script has failed, and nothing was asked of another machine."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + query, wait_until="domcontentloaded")
    page.wait_for_selector(".vk[data-ready]")
    yield page
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert len(asked) > 3


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with visit(browser, address) as page:
        yield page


def upload(page: Page, path: Path) -> None:
    page.locator("#clip-file").set_input_files(path)
    page.wait_for_selector(".vk[data-view=mark]")


def box_of(truth: np.ndarray, object_id: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of an object, as shares of the frame."""
    left, top, width, height = cv2.boundingRect((truth == object_id).astype(np.uint8))
    rows, columns = truth.shape
    return left / columns, top / rows, (left + width) / columns, (top + height) / rows


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Over the frame, from one place to another, in shares of it."""
    stage = page.locator(MASK).bounding_box()
    assert stage is not None
    x, y, width, height = (stage[key] for key in ("x", "y", "width", "height"))
    page.mouse.move(x + start[0] * width, y + start[1] * height)
    page.mouse.down()
    page.mouse.move(x + end[0] * width, y + end[1] * height, steps=4)
    page.mouse.up()


def mark_with_box(page: Page, truth: np.ndarray, object_id: int) -> None:
    left, top, right, bottom = box_of(truth, object_id)
    drag(page, (left, top), (right, bottom))


def shares(page: Page, *names: str) -> dict[str, float]:
    """What the stage says is marked, in percent, once these and no other objects are."""
    label = r"Frame to mark\. Marked: " + ", ".join(rf"{re.escape(name)} \([\d.]+ %\)" for name in names)
    expect(page.locator(MASK)).to_have_attribute("aria-label", re.compile(label + "$"))
    text = page.locator(MASK).get_attribute("aria-label") or ""
    return {name: float(share) for name, share in re.findall(r"(\w[\w ]*) \(([\d.]+) %\)", text.split("Marked: ")[1])}


def run(page: Page, end: int | None = None) -> None:
    if end is not None:
        page.locator("#end").fill(str(end))
        expect(page.locator("#plan")).to_contain_text(re.compile(rf"^{end} of "))
    expect(page.locator("#run")).to_be_enabled()
    page.locator("#run").click()
    page.wait_for_selector(".vk[data-view=result]")
    page.wait_for_function("() => [...document.querySelectorAll('video')].every((one) => one.readyState > 1)")


@pytest.fixture(scope="module")
def finished(browser: Browser, address: str, clip: Drawn) -> Iterator[Page]:
    """Two objects, run by both models through all frames; tests look at it, and leave it there."""
    with visit(browser, address) as page:
        upload(page, clip.path)
        mark_with_box(page, clip.truth, 1)
        shares(page, "object 1")
        page.locator("#add-object").click()
        mark_with_box(page, clip.truth, 2)
        shares(page, "object 1", "object 2")
        run(page)
        yield page


def times(page: Page) -> list[float]:
    found: list[float] = page.evaluate("() => [...document.querySelectorAll('video')].map((one) => one.currentTime)")
    return found


def go_to(page: Page, frame: int) -> None:
    page.locator("#scrub").fill(str(frame))
    expect_frame(page, frame)


def expect_frame(page: Page, frame: int, last: int = 19) -> None:
    expect(page.locator("output[for=scrub]")).to_have_text(f"{frame} / {last}")
    page.wait_for_function(
        """(time) => [...document.querySelectorAll('video')]
          .every((one) => !one.seeking && Math.abs(one.currentTime - time) < 0.01)""",
        arg=(frame + 0.5) / 10,
    )


# ---- choosing


def test_every_example_is_offered_with_what_it_shows(page: Page) -> None:
    for example in list_examples():
        expect(page.get_by_text(example.title, exact=True)).to_be_visible()
        expect(page.get_by_alt_text(example.alt)).to_be_visible(timeout=PATIENCE)
    assert len(list_examples()) >= 4


def test_a_file_that_is_no_clip_is_refused_in_words_and_the_next_is_taken(
    page: Page, tmp_path: Path, clip: Drawn
) -> None:
    path = tmp_path / "<b>notes.mp4"
    path.write_text("no video at all")
    page.locator("#clip-file").set_input_files(path)
    told = page.locator("#alert p")
    expect(told).to_contain_text(
        "<b>notes.mp4 cannot be read as a video: Invalid data found when processing input. "
        "Expected a whole mp4, mov, webm, mkv, avi or gif, a folder of images or a zip of images."
    )
    assert told.locator("b", has_text="notes").count() == 0
    expect(page.get_by_text("Drop a video here")).to_be_visible()
    upload(page, clip.path)
    expect(page.locator("#clip-name")).to_have_text("small clip.mp4")


# ---- marking


def test_box_brush_two_objects_undo_and_redo(page: Page, clip: Drawn) -> None:
    upload(page, clip.path)
    expect(page.locator(".clip-bar")).to_contain_text("200\u00d7120, 20 frames, 2.0 s")
    expect(page.locator("#run")).to_be_disabled()
    mark_with_box(page, clip.truth, 1)
    true_share = 100 * np.mean(clip.truth == 1)
    assert shares(page, "object 1")["object 1"] == pytest.approx(true_share, rel=0.35)
    page.locator("#add-object").click()
    page.get_by_role("button", name="Brush", exact=True).click()
    left, top, right, bottom = box_of(clip.truth, 2)
    drag(page, (left, (top + bottom) / 2), (right, (top + bottom) / 2))
    both = shares(page, "object 1", "object 2")
    assert both["object 2"] > 0
    page.locator("#undo").click()
    shares(page, "object 1")
    expect(page.locator("#redo")).to_be_enabled()
    page.locator("#redo").click()
    assert shares(page, "object 1", "object 2") == both
    expect(page.locator("#redo")).to_be_disabled()
    page.locator("#clear").click()
    expect(page.locator("#run")).to_be_disabled()


def test_an_objects_name_is_text(page: Page, clip: Drawn) -> None:
    upload(page, clip.path)
    mark_with_box(page, clip.truth, 1)
    shares(page, "object 1")
    name = "<img src=x onerror=window.evil=1>"
    page.get_by_label("Name of object 1").fill(name)
    page.get_by_label("Name of object 1").press("Enter")
    expect(page.get_by_role("button", name=f"Delete {name}")).to_be_visible()
    assert page.evaluate("() => window.evil") is None


def test_marking_by_keys(page: Page, clip: Drawn) -> None:
    upload(page, clip.path)
    mark_with_box(page, clip.truth, 1)
    shares(page, "object 1")
    page.keyboard.press("z")
    expect(page.locator("#run")).to_be_disabled()
    page.keyboard.press("y")
    shares(page, "object 1")
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Brush", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("n")
    expect(page.locator("#objects li")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    expect(page.locator("output[for=frame]")).to_have_text("1")
    expect(page.get_by_role("button", name="0", exact=True)).to_be_visible()  # back to the marked frame


def test_an_example_is_opened_by_keys(page: Page) -> None:
    page.locator("#clip-file").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".vk[data-view=mark]")
    expect(page.locator("#clip-name")).to_have_text(f"{list_examples()[0].name}.mp4")


# ---- the result


def test_both_videos_play_on_one_clock(finished: Page) -> None:
    sizes = finished.evaluate("() => [...document.querySelectorAll('video')].map((v) => [v.videoWidth, v.videoHeight])")
    assert sizes == [[200, 120], [200, 120]]
    go_to(finished, 0)
    finished.locator("#play").click()
    finished.wait_for_function("() => document.querySelector('video').currentTime > 0.4")
    drift = finished.evaluate("""async () => {
      const [one, other] = document.querySelectorAll('video'), found = [];
      for (let turn = 0; turn < 30; turn += 1) {
        await new Promise(requestAnimationFrame);
        found.push(Math.abs(one.currentTime - other.currentTime));
      }
      return found.sort((a, b) => a - b)[15];
    }""")
    assert drift < 0.05
    finished.locator("#play").click()
    expect(finished.locator("#play")).to_have_attribute("aria-label", "Play")


def test_a_click_on_a_curve_goes_to_its_frame(finished: Page) -> None:
    for curve in ("#agreement", "#latency"):
        go_to(finished, 2)
        plot = finished.locator(f"{curve} svg")
        box = plot.bounding_box()
        assert box is not None
        plot.click(position={"x": box["width"] * 14 / 19, "y": box["height"] / 2})
        expect_frame(finished, 14)
        expect(finished.locator(f"{curve} .reading")).to_contain_text("frame 14: ")


def test_the_result_by_keys(finished: Page) -> None:
    go_to(finished, 5)
    finished.locator("#headline").click()
    finished.keyboard.press("ArrowRight")
    expect_frame(finished, 6)
    finished.keyboard.press("ArrowLeft")
    finished.keyboard.press("ArrowLeft")
    expect_frame(finished, 4)
    finished.keyboard.press(" ")
    expect(finished.locator("#play")).to_have_attribute("aria-label", "Pause")
    finished.keyboard.press(" ")
    expect(finished.locator("#play")).to_have_attribute("aria-label", "Play")


def test_wipe_and_difference(finished: Page) -> None:
    finished.get_by_role("button", name="Wipe", exact=True).click()
    finished.get_by_label("Position of the wipe").fill("30")
    clip_path = finished.locator("#player .second").evaluate("(one) => getComputedStyle(one).clipPath")
    assert clip_path == "inset(0px 0px 0px 30%)"
    finished.locator(".segments").get_by_role("button", name="Difference").click()
    finished.wait_for_function("() => document.querySelector('.heat video')?.videoWidth === 200")
    expect(finished.locator("#player .first")).to_be_hidden()
    finished.get_by_role("button", name="Side by side", exact=True).first.click()
    expect(finished.locator("#player .second")).to_be_visible()


def test_all_that_is_seen_has_a_name(finished: Page) -> None:
    nameless = """() => [...document.querySelectorAll('.vk :is(button, a, input, select, canvas, video, img, svg)')]
      .filter((one) => one.getClientRects().length && !one.closest('[aria-hidden]'))
      .filter((one) => !(one.getAttribute('aria-label') || one.labels?.length || one.alt || one.textContent.trim()))
      .map((one) => one.outerHTML)"""
    assert finished.evaluate(nameless) == []
    assert finished.locator(".vk button").count() > 10


def download(page: Page, button: Locator) -> Path:
    with page.expect_download() as loading:
        button.click()
    return loading.value.path()


def unzip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def decode(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image


def read_ids(data: bytes) -> np.ndarray:
    from PIL import Image  # OpenCV would give colours of the palette

    return np.asarray(Image.open(io.BytesIO(data)))


def test_downloads_open_and_match_the_masks(finished: Page) -> None:
    items = finished.locator("#downloads")
    masks = unzip(download(finished, items.locator("[data-what=masks]")))
    given = read_ids(masks["prompts/00000.png"])
    assert set(np.unique(given)) == {0, 1, 2}
    expected = {"student": [np.roll(given, frame, axis=1) for frame in range(20)]}
    expected["teacher"] = [cv2.erode(mask, np.ones((3, 3), np.uint8)) for mask in expected["student"]]
    for model, wanted in expected.items():
        names = sorted(name for name in masks if name.startswith(model) and name.endswith(".png"))
        assert len(names) == 20
        for name, mask in zip(names, wanted, strict=True):
            np.testing.assert_array_equal(read_ids(masks[name]), mask)
    assert list(json.loads(masks["manifest.json"])["models"]) == ["student", "teacher"]
    for model, wanted in expected.items():
        of_model = items.locator(f"[data-model={model}]")
        frames = unzip(download(finished, of_model.and_(finished.locator("[data-what=rgba]"))))
        for name, mask in zip(sorted(frames), wanted, strict=True):
            np.testing.assert_array_equal(decode(frames[name])[..., 3] > 0, mask > 0)
        for what in ("overlay", "webm"):
            with av.open(download(finished, of_model.and_(finished.locator(f"[data-what={what}]")))) as video:
                pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
            assert (len(pictures), pictures[0].shape) == (20, (120, 200, 3))
    with av.open(download(finished, items.locator("[data-what=both]"))) as video:
        assert sum(1 for _ in video.decode(video=0)) == 20
        assert video.streams.video[0].width >= 400


def test_a_second_visitor_sees_nothing_of_the_first(finished: Page, browser: Browser, address: str) -> None:
    with visit(browser, address) as other:
        expect(other.get_by_text("Drop a video here")).to_be_visible()
        expect(other.get_by_text("small clip.mp4")).to_have_count(0)
        assert other.locator("video").count() == 0
        other.locator("[data-example=fish]").click()
        other.wait_for_selector(".vk[data-view=mark]")
    expect(finished.locator("#clip-name")).to_have_text("small clip.mp4")
    go_to(finished, 3)


# ---- around it


def test_stop_keeps_the_part_that_is_done(page: Page, tmp_path: Path) -> None:
    drawn = draw_clip(tmp_path, "long.mp4", 280, height=48, width=80)
    upload(page, drawn.path)
    mark_with_box(page, drawn.truth, 1)
    shares(page, "object 1")
    page.locator("#run").click()
    page.wait_for_selector(".live img:not(.before):not([hidden])")
    page.locator("#stop").click()
    page.wait_for_selector(".vk[data-view=result]")
    told = re.search(r"student has (\d+) of 280 frames", page.locator(".warning").inner_text())
    assert told is not None
    page.wait_for_function("() => document.querySelector('video').readyState > 1")
    assert page.evaluate("() => document.querySelector('video').duration") == pytest.approx(int(told[1]) / 10, abs=0.06)
    done = page.locator("#scrub").get_attribute("max")
    assert 0 < int(done or 0) + 1 <= 280
    stopped = re.findall(r"(\d+) of 280", page.locator(".warning").inner_text())
    assert min(map(int, stopped)) < 280


def test_a_permalink_brings_back_example_models_and_view(browser: Browser, address: str) -> None:
    with visit(browser, address, "?example=twins&model=teacher&against=student&view=wipe") as page:
        page.wait_for_selector(".vk[data-view=mark]")
        expect(page.locator("#clip-name")).to_have_text("twins.mp4")
        expect(page.locator("#model-a")).to_have_value("teacher")
        expect(page.locator("#model-b")).to_have_value("student")
        run(page, end=3)
        expect(page.locator("#player")).to_have_attribute("data-mode", "wipe")
        expect(page.locator(".headline")).to_contain_text(re.compile(r"Student is [\d.]+ times as fast as Teacher"))
        page.get_by_role("button", name="Difference", exact=True).first.click()
        page.wait_for_url("**view=heat**")
        assert "example=twins&model=teacher&against=student" in page.url


@pytest.mark.parametrize("what", ["example", "run"])
def test_what_nobody_answers_is_asked_again(browser: Browser, address: str, what: str) -> None:
    """Gradio closes its stream of replies when none is due; what crosses with that is answered to nobody."""
    sign = {"example": '"ask":"example"', "run": '"address":'}[what]
    lost = []

    def lose_the_first(route: Route) -> None:
        if sign in (route.request.post_data or "") and not lost:
            lost.append(route.request.url)
            route.fulfill(json={"event_id": "lost"})  # the page takes it for one that waits in the server's line
        else:
            route.continue_()

    with visit(browser, address) as page:
        page.route("**/queue/join*", lose_the_first)
        page.locator("[data-example=fish]").click()
        page.wait_for_selector(".vk[data-view=mark]")
        run(page, end=3)
        expect(page.locator("#clip-name")).to_have_text("fish.mp4")
    assert len(lost) == 1


def test_a_run_waits_for_marks_that_are_on_their_way(browser: Browser, address: str) -> None:
    def hold_up_edits(route: Route) -> None:
        if '"ask":"edit"' in (route.request.post_data or ""):
            page.wait_for_timeout(1500)
        route.continue_()

    with visit(browser, address) as page:
        page.locator("[data-example=fish]").click()
        page.wait_for_selector(".vk[data-view=mark]")
        page.locator("#end").fill("3")
        expect(page.locator("#plan")).to_contain_text(re.compile(r"^3 of "))
        page.route("**/queue/join*", hold_up_edits)
        page.locator("#add-object").click()
        drag(page, (0.4, 0.35), (0.55, 0.7))
        page.locator("#run").click()
        page.wait_for_selector(".vk[data-view=result]")
        expect(page.locator("#speed")).to_contain_text("4 objects")


def test_a_download_that_cannot_be_made_is_told(browser: Browser, address: str) -> None:
    def spoil(route: Route) -> None:
        route.continue_(post_data=(route.request.post_data or "").replace('"what":"masks"', '"what":"nothing"'))

    with visit(browser, address) as page:
        page.route("**/queue/join*", spoil)
        page.locator("[data-example=fish]").click()
        page.wait_for_selector(".vk[data-view=mark]")
        run(page, end=2)
        button = page.locator("[data-what=masks]")
        button.click()
        expect(page.locator("#alert")).to_contain_text("'nothing'")
        expect(button).to_be_enabled()
        page.locator("#alert").get_by_role("button", name="Dismiss").click()
        expect(page.locator("#alert")).to_be_hidden()


def test_a_permalink_to_no_example_says_which_there_are(browser: Browser, address: str) -> None:
    with visit(browser, address, "?example=unicorn") as page:
        expect(page.get_by_text("there is no example 'unicorn'; there are ")).to_be_visible()
        expect(page.get_by_text("Drop a video here")).to_be_visible()


def luminance(colour: str) -> float:
    red, green, blue = (int(value) / 255 for value in re.findall(r"\d+", colour)[:3])
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (red, green, blue)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser: Browser, address: str, scheme: str) -> None:
    with visit(browser, address, color_scheme=scheme) as page:
        ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (luminance(ground) < 0.05) == (scheme == "dark")
        for text in (".vk .lead h2", ".vk .lead p", ".vk p.fine", ".vk-header h1"):
            colour = page.locator(text).first.evaluate("(one) => getComputedStyle(one).color")
            light, dark = sorted((luminance(ground), luminance(colour)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 4.5, text


def test_a_phone_shows_all_without_scrolling_sideways(browser: Browser, address: str, clip: Drawn) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

    def fits() -> bool:
        width: list[int] = page.evaluate("() => [document.documentElement.scrollWidth, document.body.scrollWidth]")
        return max(width) <= 390

    with visit(browser, address, **phone) as page:
        assert fits()
        upload(page, clip.path)
        assert fits()
        left, top, right, bottom = box_of(clip.truth, 1)
        stage = page.locator(MASK).bounding_box()
        assert stage is not None
        assert stage["width"] > 340
        place = ((left + right) / 2 * stage["width"], (top + bottom) / 2 * stage["height"])
        page.touchscreen.tap(stage["x"] + place[0], stage["y"] + place[1])
        shares(page, "object 1")
        run(page, end=4)
        assert fits()
        for tab in ("Leaderboard", "About"):
            page.get_by_role("tab", name=tab).click()
            assert fits()


# ---- with the networks


def test_from_a_clip_to_two_videos_with_the_bundled_networks(
    browser: Browser, serve: Callable[[Sequence[str]], str], tmp_path: Path
) -> None:
    drawn = draw_clip(tmp_path, "clip.mp4", 6)
    with visit(browser, serve([sys.executable, str(ROOT / "app.py")])) as page:
        page.set_default_timeout(4 * PATIENCE)  # the server first loads both networks and measures them
        upload(page, drawn.path)
        mark_with_box(page, drawn.truth, 1)
        run(page)
        expect(page.locator("#headline")).to_contain_text(re.compile(r"Student is [\d.]+ times as fast as Teacher"))
        costs = page.locator("#speed tr", has_text="GMACs").locator("td").all_inner_texts()
        assert costs == ["2.5", "29.8"]
        page.locator("#play").click()
        page.wait_for_function("() => document.querySelector('video').currentTime > 0.1")
