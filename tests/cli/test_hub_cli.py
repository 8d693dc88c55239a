"""`python evaluation/run.py hub`: what the hub reads back is what the record says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, metadata_load, parse_eval_result_entries

from evaluation import results
from evaluation.cli import main
from evaluation.protocols import Protocol
from evaluation.results import ModelInfo, ObjectResult, Record, SequenceResult

RECORD = Record(
    model=ModelInfo("student", "ab" * 32, "student"),
    protocol=Protocol("davis2016", "val", "480p", "davis"),
    sequences=(SequenceResult("bear", ("00001", "00002"), (ObjectResult(1, 0, (0.75, 0.5), (1.0, 0.25)),)),),
    is_partial=False,
    environment={},
    options={},
    command="python evaluation/run.py all",
    date="2025-01-31T12:00:00+00:00",
)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    results.save(RECORD, tmp_path / "record.json")
    return tmp_path / "record.json"


def test_the_hub_reads_what_the_record_says(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, card = tmp_path / "out", tmp_path / "README.md"
    card.write_text("---\nlicense: apache-2.0\ntags: [video]\n---\n# student\n\nA *card*.\n")
    options = ["--dataset-id", "davis/val", "--source", "https://example.org/board"]
    assert main(["hub", "--record", str(record), "--output", str(out), "--card", str(card), *options]) == 0
    assert capsys.readouterr().out.split() == [
        str(path) for path in (out / "model-index.yaml", out / ".eval_results" / "davis2016.yaml", card)
    ]
    found = ModelCard.load(card).data
    assert (found.license, found.tags, found.model_name) == ("apache-2.0", ["video"], "student")
    values = {row.metric_type: row.metric_value for row in found.eval_results or ()}
    assert values == {
        **{"jf_mean": 62.5, "j_mean": 62.5, "j_recall": 50.0, "j_decay": 25.0},
        **{"f_mean": 62.5, "f_recall": 50.0, "f_decay": 75.0},
    }
    first = (found.eval_results or [])[0]
    assert (first.dataset_type, first.dataset_name, first.metric_name) == ("davis2016", "DAVIS-2016 val", "J&F")
    assert first.dataset_args == {"resolution": "480p", "convention": "davis"}
    assert card.read_text().endswith("---\n# student\n\nA *card*.\n")
    assert yaml.safe_load((out / "model-index.yaml").read_text())["model-index"][0]["name"] == "student"
    entries = parse_eval_result_entries(yaml.safe_load((out / ".eval_results/davis2016.yaml").read_text()))
    assert {entry.task_id: entry.value for entry in entries} == values
    assert {(entry.dataset_id, entry.date, entry.source_url) for entry in entries} == {
        ("davis/val", RECORD.date, "https://example.org/board")
    }


def test_a_card_keeps_what_the_records_do_not_replace(record: Path, tmp_path: Path) -> None:
    def result(task: str, dataset: str, split: str, value: float) -> dict[str, object]:
        place = {"task": {"type": task}, "dataset": {"type": dataset, "name": dataset, "split": split}}
        return {**place, "metrics": [{"type": "jf_mean", "value": value}]}

    segmentation = "video-object-segmentation"
    others = [
        result(segmentation, "davis2017", "val", 71.2),
        result(segmentation, "davis2016", "train", 80.0),
        result("tracking", "davis2016", "val", 50.0),
    ]
    teacher = {"name": "teacher", "results": [result(segmentation, "davis2016", "val", 85.0)]}
    mine = {"name": "student", "results": [*others, result(segmentation, "davis2016", "val", 1.0)]}
    card = tmp_path / "README.md"
    head = {"license": "apache-2.0", "language": None, "model-index": [teacher, mine]}
    card.write_text(f"---\n{yaml.safe_dump(head)}---\nText\n")
    for _ in range(2):  # the second time changes nothing
        assert main(["hub", "--record", str(record), "--output", str(tmp_path / "out"), "--card", str(card)]) == 0
        found = metadata_load(card)
        assert found is not None
        index = found.pop("model-index")
        assert found == {"license": "apache-2.0", "language": None}
        assert [one["name"] for one in index] == ["teacher", "student"]
        assert index[0] == teacher
        assert index[1]["results"][:3] == others
        (new,) = index[1]["results"][3:]
        assert (new["dataset"]["type"], new["metrics"][0]["value"]) == ("davis2016", 62.5)


def test_what_is_no_benchmark_number_is_refused(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results.save(replace(RECORD, is_partial=True), tmp_path / "partial.json")
    results.save(replace(RECORD, model=ModelInfo("teacher")), tmp_path / "other.json")
    (tmp_path / "edited.json").write_text(record.read_text().replace('"jf_mean": 0.625', '"jf_mean": 0.99', 1))
    strange = replace(RECORD, protocol=replace(RECORD.protocol, dataset="../../escaped/own"))
    results.save(strange, tmp_path / "strange.json")
    (tmp_path / "card.md").write_text("---\n[\n---\n")
    (tmp_path / "index.md").write_text("---\nmodel-index:\n- results: 3\n---\n")
    for files, options, message in (
        (["partial"], [], "leaves sequences of the split out"),
        (["record", "other"], [], "is of teacher, not of student: a card is of one model"),
        (["record", "record"], [], "several records are of one data set"),
        (["edited"], [], "jf_mean is 0.99, but its values give 0.625"),
        (["missing"], [], "cannot be read"),
        (["strange"], [], "strange.json is '../../escaped/own'; expected a name such as davis2016"),
        (["record"], ["--card", str(tmp_path / "card.md")], "is no model card that can be read"),
        (["record"], ["--card", str(tmp_path / "index.md")], "index.md is not as the hub wants it (KeyError('name'))"),
    ):
        paths = [str(tmp_path / f"{name}.json") for name in files]
        assert main(["hub", "--record", *paths, "--output", str(tmp_path / "out"), *options]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
