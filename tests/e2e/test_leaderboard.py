"""The leaderboard in a browser: the tab in an app of its own, and the static page from disk."""

from __future__ import annotations

import csv
import json
import os
import random
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from evaluation import results
from leaderboard import build
from leaderboard.ranking import pareto_front, ranks

ROOT = Path(__file__).parents[2]
made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))
CHART = "document.querySelector('.lb .plot.main')"
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made.write_folder(tmp_path_factory.mktemp("board") / "results")
    evil = made.make_record('<img src=x onerror="window.evil=1">', "baseline", 0.6, 50)
    results.save(evil, folder / "evil.json")
    return folder


APP = """
import sys
from pathlib import Path
import gradio as gr
from leaderboard.store import load_board
from leaderboard.tab import build_tab
with gr.Blocks() as page, gr.Tabs() as tabs:
    with gr.Tab("Compare", id="compare"):
        picker = gr.Dropdown(["student", "teacher"], label="Model", elem_id="picker")
    with gr.Tab("Leaderboard", id="leaderboard"):
        build_tab(load_board(Path(sys.argv[1])), page=page, tabs=tabs, compare_tab="compare", model_picker=picker)
_, url, _ = page.launch(prevent_thread_lock=True, quiet=True)
print(url, flush=True)
page.block_thread()
"""
"""The leaderboard beside a stand-in for the tab in which models run."""


@pytest.fixture(scope="module")
def address(folder: Path, serve: Callable[[Sequence[str]], str]) -> str:
    return serve([sys.executable, "-c", APP, str(folder)])


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, errors: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


@pytest.fixture
def tab(page: Page, address: str) -> Page:
    page.goto(address, wait_until="domcontentloaded")
    page.get_by_role("tab", name="Leaderboard").click()
    page.wait_for_selector(".lb[data-painted]")
    return page


@pytest.fixture(scope="module")
def static_file(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("static") / "board.html"
    assert build.main(["--output", str(output), "--results", str(folder)]) == 0
    return output


@pytest.fixture
def board(page: Page, static_file: Path) -> Page:
    page.context.set_offline(True)
    page.goto(static_file.as_uri(), wait_until="domcontentloaded")
    page.wait_for_selector(".lb[data-painted]")
    return page


def models(page: Page) -> list[str]:
    return page.locator(".board tbody .model").all_inner_texts()


def front_of_chart(page: Page) -> list[str]:
    """Keys of the points of the front as it is drawn."""
    front = page.evaluate(f"{CHART}.data.find((one) => one.meta === 'front')")
    return [] if front.get("visible") is False else front["customdata"]


def places_of(page: Page) -> dict[str, tuple[str, ...]]:
    """Rank and dot of the front, by the keys of the measured rows that are shown."""
    rows = page.locator(".board tbody tr.measured").all()
    return {str(row.get_attribute("data-key")): tuple(row.locator(".rank, .front").all_inner_texts()) for row in rows}


def point_of(page: Page, key: str) -> tuple[float, float]:
    """Where on the screen a point of the chart lies."""
    x, y = page.evaluate(
        """(key) => {
          const plot = document.querySelector('.lb .plot.main');
          const trace = plot._fullData.find((one) => one.meta === 'points' && one.customdata.includes(key));
          const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
          const index = trace.customdata.indexOf(key);
          return [box.x + xaxis._offset + xaxis.d2p(trace.x[index]), box.y + yaxis._offset + yaxis.d2p(trace.y[index])];
        }""",
        key,
    )
    return x, y


def download(page: Page, button: Locator) -> bytes:
    with page.expect_download() as waiting:
        button.click()
    return Path(waiting.value.path()).read_bytes()


def test_the_first_lines_are_seen_without_scrolling(tab: Page) -> None:
    for title in ("What the teacher costs", "What the student loses", "Which one for your budget"):
        box = tab.get_by_role("heading", name=title).bounding_box()
        assert box is not None
        assert box["y"] + 100 < 800
    cards = tab.locator(".cards").inner_text()
    for part in ("slower", "larger", "points of J&F", "95 % interval", "Take", "abstract only", "1/20"):
        assert part in cards
    plot = tab.locator(".plot.main").bounding_box()
    assert plot is not None
    assert plot["y"] + 200 < 800, "the chart begins on the first screen"


def test_sort(board: Page) -> None:
    assert models(board)[:2] == ["teacher", "student"], "the best comes first"
    board.locator('[data-sort="params"]').click()
    ascending = models(board)
    board.locator('[data-sort="params"]').click()
    measured = [name for name in ascending if name != "made-up-net" and name != "stcn_r50"]
    again = [name for name in models(board) if name in measured]
    assert again == measured[::-1]
    assert board.locator('th[aria-sort="descending"]').inner_text().startswith("Parameters")
    board.locator('[data-sort="model"]').click()
    names = [name for name in models(board) if name in measured]
    assert names == sorted(names, key=str.lower)


def test_a_filter_updates_table_front_and_address(board: Page) -> None:
    board.get_by_label("Speed measured on").select_option(
        label=board.locator('select[name="run"] option').all_inner_texts()[0]
    )
    before = front_of_chart(board)
    assert "teacher-davis2016" in before
    board.locator(".chip.teacher").click()
    board.locator(".chip.teacher").click()
    board.locator(".chip.student").click()
    expect(board.locator(".board tbody tr.measured")).to_have_count(1)
    board.wait_for_function(
        "document.querySelector('.lb .plot.main').data.find((one) => one.meta === 'front').customdata.length === 1"
    )
    assert front_of_chart(board) == ["student-davis2016"]
    assert "lb_roles=student" in board.url
    board.locator(".chip.student").click()
    places = places_of(board)
    assert places["student-davis2016"][0] != "1"
    board.get_by_label("Search models").fill("student")
    expect(board.locator(".board tbody tr.measured")).to_have_count(1)
    assert places_of(board).items() <= places.items(), "a search moves nobody up"
    board.get_by_label("Search models").fill("made-up")
    expect(board.locator(".board tbody tr.measured")).to_have_count(2)
    assert places_of(board).items() <= places.items(), "nor does it put anybody on the front"
    assert "lb_search=made-up" in board.url
    board.get_by_label("Search models").fill("nothing like it")
    expect(board.get_by_text("Nothing fits these filters")).to_be_visible()
    board.get_by_role("button", name="Clear them").click()
    expect(board.locator(".board tbody tr.measured")).to_have_count(5)


def test_the_budget_picks_the_best_that_fits(board: Page) -> None:
    headline = board.locator(".card", has_text="Which one for your budget").locator(".headline")
    expect(headline).to_contain_text("teacher")
    fps = {
        name: float(board.locator(f'tr[data-key="{name}-davis2016"] td .value').nth(1).inner_text())
        for name in ("student", "teacher")
    }
    assert fps["teacher"] < fps["student"]
    board.get_by_label("At least (FPS)").fill(str((fps["teacher"] + fps["student"]) / 2))
    expect(headline).to_contain_text("student")
    board.get_by_label("At least (FPS)").fill("100000")
    expect(headline).to_contain_text("Nothing measured here fits")


def test_a_click_on_a_row_and_on_a_point_opens_the_details(board: Page) -> None:
    board.locator('tr[data-key="student-davis2016"]').click()
    details = board.locator(".details-panel")
    expect(details.locator("h3")).to_contain_text("student")
    expect(details.locator("tbody tr")).to_have_count(6)
    expect(details.locator(".js-plotly-plot")).to_have_count(2)
    expect(details.get_by_text("python evaluation/run.py all").first).to_be_visible()
    details.locator("tbody tr").nth(3).click()
    expect(details.get_by_label("Sequence")).to_have_value("clip-03")
    assert "lb_sequence=clip-03" in board.url
    details.locator("tbody tr").nth(1).press("Enter")
    expect(details.get_by_label("Sequence")).to_have_value("clip-01")
    board.evaluate("scrollTo(0, 0)")
    board.mouse.click(*point_of(board, "teacher-davis2016"))
    expect(details.locator("h3")).to_contain_text("teacher")
    assert "lb_row=teacher-davis2016" in board.url
    details.get_by_role("button", name="Close details").click()
    expect(details.locator("h3")).to_have_count(0)


def test_what_has_no_weights_leads_to_its_command(board: Page) -> None:
    run = next(text for text in board.locator('select[name="run"] option').all_inner_texts() if "2026-11-21" in text)
    board.get_by_label("Speed measured on").select_option(label=run)
    row = board.locator('tr[data-key="arch:stcn_r50"]')
    expect(row).to_contain_text("no weights")
    expect(row).to_contain_text("N/A")
    row.click()
    expect(board.locator(".details-panel").get_by_text("python evaluation/run.py speed")).to_be_visible()


def test_the_first_lines_lead_to_records_and_commands(board: Page) -> None:
    run = next(text for text in board.locator('select[name="run"] option').all_inner_texts() if "2026-11-21" in text)
    board.get_by_label("Speed measured on").select_option(label=run)
    costs, details = board.locator(".card", has_text="What the teacher costs"), board.locator(".details-panel")
    for row, title, command in (
        ("teacher", "teacher", "python evaluation/run.py all"),
        ("stcn_r50", "stcn_r50", "python evaluation/run.py speed"),
        ("made-up-net", "made-up-net", "python evaluation/run.py speed"),
    ):
        costs.get_by_role("button", name=row, exact=True).click()
        expect(details.locator("h3")).to_contain_text(title)
        expect(details.get_by_text(command).first).to_be_visible()
    board.get_by_role("button", name="See each sequence").click()
    panel = board.locator(".views .panel")
    panel.get_by_role("button", name="student-davis2016.json").click()
    expect(details.locator("h3")).to_contain_text("student")
    expect(details.locator("dd", has_text="student-davis2016.json")).to_be_visible()


def test_two_are_compared(board: Page) -> None:
    panel = board.locator(".views .panel")
    expect(panel.get_by_text("points of J&F")).to_be_visible()
    first = panel.locator(".headline").inner_text()
    board.get_by_role("button", name="Swap the two").click()
    expect(panel.locator(".headline")).not_to_have_text(first)
    assert panel.locator(".headline").inner_text().strip("+-") == first.strip("+-")
    expect(panel.get_by_text("paired bootstrap over sequences")).to_be_visible()


@pytest.mark.parametrize(
    ("view", "text"),
    [
        ("Objects and length", "Frames a second against objects"),
        ("Ablation", "python -m vos_kd.ablation --recipe smoke"),
        ("Published numbers", "Nothing here was measured by us"),
        ("Over time", "measured on"),
    ],
)
def test_views(board: Page, view: str, text: str) -> None:
    board.locator(".views").get_by_role("tab", name=view).click()
    panel = board.locator(".views .panel")
    expect(panel.get_by_text(text).first).to_be_visible()
    assert board.evaluate("document.documentElement.scrollWidth") <= 1280, "a long command does not widen the page"
    if view == "Published numbers":
        assert panel.locator("tbody tr").count() == 33
    else:
        expect(panel.locator(".js-plotly-plot").first).to_be_visible()


def test_published_rows_stand_apart(board: Page) -> None:
    board.get_by_role("button", name="published", exact=True).click()
    rows = board.locator(".board tr.published")
    assert rows.count() > 5
    assert set(rows.locator(".rank").all_inner_texts()) == {""}
    order = board.locator(".board tbody tr").evaluate_all("(rows) => rows.map((row) => row.className.split(' ')[0])")
    first = order.index("published")
    assert set(order[first:]) == {"published"}, "below what is measured, never between"
    assert "points" not in [
        trace.get("name")
        for trace in board.evaluate("document.querySelector('.lb .plot.main').data.map(({name}) => ({name}))")
    ]
    board.get_by_label("against").first.select_option("params")
    board.wait_for_function("document.querySelector('.lb .plot.main').data.some((one) => one.name === 'Published')")
    assert not set(front_of_chart(board)) & {f"pub:{n}" for n in range(40)}


def test_a_link_shows_the_same_again(tab: Page, browser: Browser) -> None:
    tab.get_by_role("button", name="Accuracy", exact=True).click()
    tab.get_by_label("against").first.select_option("gmacs")
    tab.locator('tr[data-key="teacher-davis2016"]').click()
    tab.locator('[data-sort="f_mean"]').click()
    tab.locator('[data-sort="f_mean"]').click()
    url = tab.url
    again = browser.new_context().new_page()
    again.goto(url, wait_until="domcontentloaded")
    again.wait_for_selector(".lb[data-painted]")  # the tab is opened by the address
    expect(again.locator(".details-panel h3")).to_contain_text("teacher")
    assert again.locator('select[name="x"]').input_value() == "gmacs"
    assert models(again) == models(tab)
    assert again.locator("thead th").all_inner_texts() == tab.locator("thead th").all_inner_texts()
    assert again.url == url
    again.context.close()


def test_a_link_with_nonsense_shows_the_board(page: Page, address: str) -> None:
    page.goto(
        address + "?lb_benchmark=%3Cscript%3E&lb_x=__proto__&lb_sort=constructor:up&lb_row=x&lb_columns=a,b&lb_view=z",
        wait_until="domcontentloaded",
    )
    page.wait_for_selector(".lb[data-painted]")
    assert models(page)[0] == "teacher"


def test_exports_open_and_hold_what_is_shown(board: Page) -> None:
    board.locator(".chip.student").click()
    expect(board.locator(".board tbody tr.measured")).to_have_count(1)
    board.locator("summary", has_text="Export").click()
    item = board.locator(".sheet .item")
    rows = list(csv.DictReader(download(board, item.get_by_text("CSV")).decode().splitlines()))
    assert [row["model"] for row in rows] == models(board)
    data = json.loads(download(board, item.get_by_text("JSON")))
    assert data[0]["jf_mean"] == pytest.approx(float(rows[0]["jf_mean (%)"]) / 100)
    assert download(board, item.get_by_text("LaTeX")).startswith(b"\\begin{tabular}")
    assert download(board, item.get_by_text("Markdown")).startswith(b"| Model |")
    chart = download(board, item.get_by_text("Chart as HTML"))
    path = Path(os.environ.get("TMPDIR", "/tmp")) / "leaderboard-chart.html"  # noqa: S108
    path.write_bytes(chart)
    opened = board.context.new_page()
    opened.goto(path.as_uri(), wait_until="domcontentloaded")
    opened.wait_for_selector(".js-plotly-plot .scatterlayer path.point")
    path.unlink()


def test_a_sound_result_is_previewed(tab: Page, tmp_path: Path) -> None:
    results.save(made.make_record("guest net", "baseline", 0.86, 90), tmp_path / "guest.json")
    send(tab, tmp_path / "guest.json")
    row = tab.locator("tr.submitted")
    expect(row).to_contain_text("guest net")
    expect(row).to_contain_text("your preview")
    expect(tab.get_by_text("# Leaderboard: guest net on DAVIS")).to_be_visible()
    key = row.get_attribute("data-key")
    tab.wait_for_function(f"{CHART}.data?.some((one) => (one.customdata ?? []).includes('{key}'))")
    tab.get_by_role("button", name="Remove the preview").click()
    expect(tab.locator("tr.submitted")).to_have_count(0)


def test_bad_results_get_a_message(tab: Page, tmp_path: Path) -> None:
    cases = {
        "{": "is not the JSON of one",
        '{"kind": "record", "schema_version": 99}': "schema_version is 99; this program reads 1",
        '{"a": "<img src=x onerror=window.evil=1>"}': "schema_version is None",
        " " * 50 * 2**20: "The file has 50.0 MiB; at most 16 MiB are taken",
    }
    for content, message in cases.items():
        (tmp_path / "bad.json").write_text(content)
        send(tab, tmp_path / "bad.json")
        expect(tab.locator(".views .notice")).to_contain_text(message)
        assert tab.locator("tr.submitted").count() == 0


def send(page: Page, path: Path) -> None:
    page.locator(".views").get_by_role("tab", name="Submit a result").click()
    page.locator('.lb input[name="result"]').set_input_files(path)
    page.get_by_role("button", name="Check and preview").click()


def test_run_this_model_opens_the_other_tab(tab: Page) -> None:
    tab.locator('tr[data-key="made-up-000-davis2016"]').click()
    expect(tab.locator(".details-panel h3")).to_contain_text("made-up-000")
    assert tab.get_by_role("button", name="Run this model").count() == 0, "nobody has its weights"
    tab.locator('tr[data-key="teacher-davis2016"]').click()
    tab.get_by_role("button", name="Run this model").click()
    expect(tab.locator("#picker input")).to_have_value("teacher")
    expect(tab.locator("#picker")).to_be_visible()


def test_names_are_text_everywhere(board: Page) -> None:
    board.locator("tr", has_text="<img src=x").first.click()
    expect(board.locator(".details-panel h3")).to_contain_text('<img src=x onerror="window.evil=1">')
    expect(board.locator(".details-panel .js-plotly-plot")).to_have_count(2)
    assert board.evaluate("window.evil") is None
    assert board.locator(".lb img").count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_it_fits_and_can_be_read(browser: Browser, address: str, scheme: Any, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}?lb_benchmark=x&__theme={scheme}", wait_until="domcontentloaded")
    page.wait_for_selector(".lb[data-painted]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing scrolls sideways but the table"
    ink, surface = page.evaluate(
        """() => ['color', 'backgroundColor'].map((name) => getComputedStyle(document.querySelector('.lb .card'))[name]
           .match(/[0-9.]+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0) / 765)"""
    )
    assert (surface - ink > 0.5) if scheme == "light" else (ink - surface > 0.5)
    font = page.evaluate("document.querySelector('.lb .plot.main')._fullLayout.font.color")
    assert font == ("#5c6878" if scheme == "light" else "#a3aebd")
    run = next(text for text in page.locator('select[name="run"] option').all_inner_texts() if "2026-11-21" in text)
    page.get_by_label("Speed measured on").select_option(label=run)
    page.wait_for_function(f"{CHART}.data.some((trace) => trace.meta === 'foot')")
    mode = page.evaluate(f"{CHART}.data.find((trace) => trace.meta === 'foot').mode")
    assert mode == ("markers" if width < 560 else "markers+text"), "on a phone, names lie over each other"
    context.close()


def test_the_static_page_works_from_disk_without_network(board: Page, page: Page) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    assert models(board)[0] == "teacher"
    expect(board.locator(".views .panel .js-plotly-plot")).to_be_visible()
    board.locator('tr[data-key="student-davis2016"]').click()
    expect(board.locator(".details-panel .js-plotly-plot")).to_have_count(2)
    board.get_by_label("against").first.select_option("params")
    board.wait_for_function("document.querySelector('.lb .plot.main').layout.xaxis.title.text === 'Parameters (M)'")
    board.locator("summary", has_text="Export").click()
    text = download(board, board.locator(".sheet .item").get_by_text("CSV")).decode()
    assert next(csv.DictReader(text.splitlines()))["model"] == "teacher"
    assert "lb_row=student-davis2016" in board.url
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_an_empty_board_says_how_to_fill_it(page: Page, tmp_path: Path) -> None:
    assert build.main(["--output", str(tmp_path / "x.html"), "--results", str(tmp_path)]) == 0
    page.goto((tmp_path / "x.html").as_uri(), wait_until="domcontentloaded")
    expect(page.get_by_text("No results yet")).to_be_visible()
    expect(page.get_by_text("python evaluation/run.py all --help")).to_be_visible()
    assert page.locator(".views tbody tr").count() == 33, "published numbers need no results of ours"


def test_ranks_and_front_of_the_page_are_those_of_python(board: Page) -> None:
    script = (Path(build.__file__).parent / "page" / "model.js").read_text()
    rng = random.Random(4)  # noqa: S311
    cases = []
    for _ in range(150):
        rows = [
            {
                "key": str(n),
                "source": "measured",
                "values": {k: rng.randint(0, 5) for k in ("x", "y") if rng.random() > 0.1},
            }
            for n in range(rng.randint(0, 12))
        ]
        cases.append({"rows": rows, "x": rng.random() > 0.5, "y": rng.random() > 0.5})
    found = board.evaluate(
        f"""(cases) => {{ {script}
          return cases.map(({{rows, x, y}}) => [
            [...frontOf(rows, {{key: 'x', higher: x}}, {{key: 'y', higher: y}})], [...ranksOf(rows, 'x', x)]]); }}""",
        cases,
    )
    nan = float("nan")
    for case, (front, ranked) in zip(cases, found, strict=True):
        keys = [row["key"] for row in case["rows"]]
        x, y = ([row["values"].get(name, nan) for row in case["rows"]] for name in ("x", "y"))
        flags = pareto_front(x, y, x_higher=case["x"], y_higher=case["y"])
        assert sorted(front) == sorted(key for key, flag in zip(keys, flags, strict=True) if flag)
        expected = ranks(x, higher_is_better=case["x"])
        assert dict(ranked) == {key: rank for key, rank in zip(keys, expected, strict=True) if rank is not None}
