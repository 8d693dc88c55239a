"""Published numbers: from one table, each with its source, never ranked with what is measured."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from leaderboard.payload import make_payload
from leaderboard.published import FILE, PAPER_RATIOS, load_published
from leaderboard.store import load_board

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))


def test_every_row_has_its_source_and_its_numbers() -> None:
    rows = {(one.method, one.backbone): one for one in load_published()}
    assert len(rows) == len(FILE.read_text().splitlines()) - 1 == 33
    assert all(one.source.startswith("https://") for one in rows.values())
    stcn = rows["STCN (BL30K)", "ResNet-50 + ResNet-18"]
    assert (stcn.params, stcn.fps) == (54e6, 20.2)
    assert stcn.scores["davis2016"] == pytest.approx({"j_mean": 0.904, "f_mean": 0.93, "jf_mean": 0.917})
    assert stcn.scores["youtubevos2019"] == pytest.approx({"g_overall": 0.842})
    assert rows["SAM 2.1 tiny", "Hiera-T"].scores == {}


def test_of_the_paper_only_its_three_ratios_are_shown() -> None:
    assert [one.text for one in PAPER_RATIOS] == ["up to 4x", "1/20", "1/30"]
    assert not any("Hou" in one.method or "Lightweight" in one.method for one in load_published())


def test_published_rows_have_no_speed_among_ours_and_no_rank(tmp_path: Path) -> None:
    board = load_board(made.write_folder(tmp_path))
    published = board.frame[board.frame["source"] == "published"]
    assert published[["fps_end_to_end", "fps_network", "latency_ms", "gflops"]].isna().all().all()
    assert published["where"].str.startswith("https://").all()
    payload = make_payload(board)
    sam = next(one for one in payload["published"] if one["method"] == "SAM 2.1 tiny")
    assert (sam["scores"], sam["fps"], sam["fps_note"]) == (["N/A"] * 4, "47.2", "1024x1024, A100")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("https://github.com/hkchengrex/STCN,", "a colleague,", "line 4: the source is 'a colleague'"),
        (",20.2,", ",fast,", "line 4, fps is 'fast'; expected a number"),
        (",90.4,93.0,91.7,82.0", ",904,93.0,91.7,82.0", "davis16_j is '904'; expected a number above 0 and up to 100"),
        (",90.4,93.0,91.7,82.0", ",nan,93.0,91.7,82.0", "davis16_j is 'nan'"),
        ("method,backbone", "name,backbone", "lacks the columns method"),
    ],
)
def test_an_odd_table_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "published.csv"
    path.write_text(FILE.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        load_published(path)
