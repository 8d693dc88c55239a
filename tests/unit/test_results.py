"""Records: written and read again unchanged, and refused when anything in them does not follow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation import results
from evaluation.protocols import Protocol
from evaluation.results import ModelInfo, ObjectResult, ProtocolError, Record, SequenceResult

FRAMES = ("00001", "00002", "00003", "00004")


def record(**changes: Any) -> Record:
    bear = SequenceResult(
        "bear",
        FRAMES,
        (
            ObjectResult(1, 0, (1.0, 0.9, 0.8, 0.3), (0.9, 0.8, 0.7, 1 / 3), "bear", True),
            ObjectResult(3, 2, (0.25, 0.75), (0.5, 0.6), "zebra", False),
        ),
    )
    values = {
        "model": ModelInfo("student", "0" * 64, "student"),
        "protocol": Protocol("youtubevos2019", "train", "original", "youtubevos"),
        "sequences": (bear, SequenceResult("cat", FRAMES, (ObjectResult(1, 1, (0.5,) * 3, (1.0,) * 3, "cat", True),))),
        "is_partial": True,
        "environment": {"python": "3.11", "cpu_cores": 2},
        "options": {"limit": None, "sequences": ["bear", "cat"]},
        "command": "python evaluation/run.py score",
        "date": "2025-01-31T12:00:00+00:00",
        "commit": None,
        "speed": {"fps_network": 31.5, "latency_ms": {"network": {"median": 31.0}}},
        **changes,
    }
    return Record(**values)


def test_means_follow_from_the_values() -> None:
    found = results.means(record())
    j = [0.75, 0.5, 0.5]  # objects 1 and 3 of bear, 1 of cat
    f = [(0.9 + 0.8 + 0.7 + 1 / 3) / 4, 0.55, 1.0]
    assert found["j_mean"] == pytest.approx(sum(j) / 3)
    assert found["f_mean"] == pytest.approx(sum(f) / 3)
    assert found["jf_mean"] == pytest.approx((sum(j) + sum(f)) / 6)
    assert found["j_recall"] == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert found["j_decay"] == pytest.approx((0.95 - 0.55 - 0.5 + 0) / 3)
    assert (found["j_seen"], found["j_unseen"]) == pytest.approx((0.625, 0.5))
    assert found["g_overall"] == pytest.approx((0.625 + (f[0] + f[2]) / 2 + 0.5 + 0.55) / 4)


def test_a_record_comes_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "new" / "record.json"
    results.save(record(), path)
    assert results.load(path) == record()
    assert list(path.parent.iterdir()) == [path]  # no partial file
    results.save(results.load(path), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_outside_readers_find_their_keys(tmp_path: Path) -> None:
    results.save(record(), tmp_path / "record.json")
    data = json.loads((tmp_path / "record.json").read_text())
    assert (data["schema_version"], data["kind"]) == (results.SCHEMA_VERSION, "record") == (1, "record")
    assert {key: data[key] for key in results.means(record())} == results.means(record())
    keys = {"j_mean", "f_mean", "jf_mean", "j_recall", "j_decay", "f_recall", "f_decay"}
    assert keys <= data.keys()
    bear = data["sequences"][0]
    assert keys <= bear.keys()
    assert keys <= bear["objects"][0].keys()
    assert bear["objects"][1]["j"] == [0.25, 0.75]
    assert data["speed"]["fps_network"] == 31.5
    # A sequence is a line, so that versions can be compared.
    assert sum(line.startswith('  {"name"') for line in (tmp_path / "record.json").read_text().splitlines()) == 2


def test_an_object_without_a_scored_frame_has_no_means(tmp_path: Path) -> None:
    late = SequenceResult("dog", FRAMES, (ObjectResult(2, 4, (), ()),))
    whole = replace(record(), sequences=(*record().sequences, late))
    results.save(whole, tmp_path / "record.json")
    assert results.means(late)["j_mean"] is None
    assert results.load(tmp_path / "record.json").scores == record().scores
    with pytest.raises(ProtocolError, match="no object of it has a scored frame"):
        results.save(replace(record(), sequences=(late,)), tmp_path / "record.json")


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(json.dumps(results.to_json(record())))
    change(data)
    return json.dumps(data)


def put(value: object, *keys: str | int) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


OBJECT = ("sequences", 0, "objects", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(0.99, "j_mean"), r"the file: j_mean is 0\.99, but its values give 0\.58.*Means follow from values"),
        (put(0.5833333353, "j_mean"), "j_mean is 0.5833333353, but"),
        (put(None, "jf_mean"), "the file: jf_mean is None, but"),
        (put(True, "j_recall"), "j_recall is True, but"),
        (put(10**400, "f_mean"), "f_mean is 1000000"),
        (put(0.9, "sequences", 0, "f_mean"), r"sequence 'bear': f_mean is 0\.9, but"),
        (put(0.9, *OBJECT, "j_mean"), r"sequence 'bear', object 1: j_mean is 0\.9, but"),
        (put(0.99, *OBJECT, "j", 3), r"sequence 'bear', object 1: j_mean is 0\.75, but its values give 0\.92"),
        (put(1.0, "g_overall"), r"g_overall is 1\.0, but"),
        (put(1.5, *OBJECT, "j", 3), r"object 1, j\[3\] is 1\.5; expected a number from 0 to 1"),
        (put(-0.1, *OBJECT, "f", 0), r"object 1, f\[0\] is -0\.1; expected a number from 0 to 1"),
        (put(True, *OBJECT, "j", 0), r"j\[0\] is True; expected a number"),
        (put("1", *OBJECT, "j", 0), r"j\[0\] is '1'; expected a number"),
        (put([1.0], *OBJECT, "j"), r"object 1 has 1 values of J and 4 of F; expected 4, one for each frame"),
        (put(1, *OBJECT, "start"), r"object 1 has 4 values of J and 4 of F; expected 3"),
        (put(9, *OBJECT, "start"), r"start is 9; expected a whole number from 0 to 4"),
        (put(0, *OBJECT, "object_id"), r"object_id is 0; expected a whole number from 1 to 254"),
        (put(3, *OBJECT, "object_id"), r"sequence 'bear', objects: 3 more than once"),
        (put("cat", "sequences", 0, "name"), r"sequences: cat more than once"),
        (put("00002", "sequences", 0, "frames", 0), r"frames: 00002 more than once"),
        (put([], "sequences"), r"it has no sequences; expected at least one"),
        (put({}, "sequences"), r"sequences is \{\}; expected a list"),
        (put([3], "sequences"), r"sequences\[0\] is 3; expected an object of JSON"),
        (put(2, "schema_version"), r"schema_version is 2; this program reads 1\. Use the program that wrote it"),
        (put(True, "schema_version"), r"schema_version is True; this program reads 1"),
        (lambda data: data.pop("schema_version"), r"schema_version is None; this program reads 1"),
        (put("speed", "kind"), r"kind is 'speed'; expected 'record': J and F of a model"),
        (lambda data: data.pop("kind"), r"kind is None; expected 'record'"),
        (lambda data: data.pop("options"), r"options is None; expected an object"),
        (lambda data: data.pop("speed"), r"the file: keys 'speed' are missing or not known"),
        (lambda data: data.pop("j_mean"), r"keys 'j_mean' are missing or not known"),
        (put(1, "accuracy"), r"the file: keys 'accuracy' are missing or not known"),
        (put(1, "model", "accuracy"), r"model: keys 'accuracy' are missing or not known"),
        (put("", "model", "name"), r"model\.name is ''; expected text"),
        (put("a\ud800", "model", "name"), r"model\.name is 'a\\ud800', which is no Unicode text"),
        (put("12ab", "model", "weights_sha256"), r"weights_sha256 is '12ab'; expected 64 hexadecimal digits"),
        (put("coco", "protocol", "convention"), r"protocol\.convention is 'coco'; expected one of davis"),
        (put("yes", "is_partial"), r"is_partial is 'yes'; expected true or false"),
        (put("yesterday", "date"), r"date is 'yesterday'; expected a time such as"),
        (put("2025-01-31T12:00:00", "date"), r"date is '2025-01-31T12:00:00'; expected a time such as"),
        (put("9999-12-31T23:59:59+00:00", "date"), r"date is '9999-12-31.*not before 2000 nor after 2100"),
        (put("1999-12-31T23:59:59+00:00", "date"), r"date is '1999-12-31.*not before 2000 nor after 2100"),
        (put(10**400, "complexity"), r"complexity is 1000.*expected an object"),
        (put({"params": 10**400}, "complexity"), r"complexity\.params is 1000.*; expected a number up to 2\*\*53"),
        (put({"fps": [-(2**53) - 1]}, "speed"), r"speed\.fps\[0\] is -9007199254740993; expected a number up to"),
        (put({"cpu": "\ud800 chip"}, "environment"), r"environment\.cpu is '\\ud800 chip', which is no Unicode text"),
        (put({"\ud800": 1}, "options"), r"options is '\\ud800', which is no Unicode text"),
        (put(1, "\ud800"), r"the file: keys '\\ud800' are missing or not known"),
        (put([{"objects": []}] * 5001, "sequences"), r"it has 5001 sequences; expected at most 5000"),
        (put([{"objects": [{}] * 20_001}], "sequences"), r"it has 20001 objects; expected at most 20000"),
    ],
)
def test_edited_records_are_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(ProtocolError, match=f"the record student.json: .*{message}"):
        results.loads(edited(change), "student.json")


def test_the_later_of_two_dates_is_the_larger_text() -> None:
    east, zulu = (
        results.loads(edited(put(date, "date")), "student.json").date
        for date in ("2025-01-31T20:00:00+09:00", "2025-01-31T12:00:00Z")
    )
    assert (east, zulu) == ("2025-01-31T11:00:00+00:00", "2025-01-31T12:00:00+00:00")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ['"fps_network": 31.5', '"j_mean": 0.5833333333333334', "0.25, 0.75]"])
def test_what_is_no_number_is_refused(number: str, place: str) -> None:
    text = edited(lambda _: None)
    assert place in text
    changed = text.replace(place, re.sub(r"[\d.]+", number, place, count=1), 1)
    with pytest.raises(ProtocolError, match=r"NaN|Infinity|inf|expected a number"):
        results.loads(changed, "student.json")


def test_nan_is_never_written(tmp_path: Path) -> None:
    for broken in ({"speed": {"fps": float("nan")}}, {"environment": {"load": [1.0, float("inf")]}}):
        with pytest.raises(ProtocolError, match=r"is (nan|inf); a value that was not measured is null"):
            results.save(record(**broken), tmp_path / "record.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not the JSON of one"),
        ("{", "is not the JSON of one"),
        ("[" * 10**5, "is not the JSON of one"),
        ("[]", r"the file is \[\]; expected an object of JSON"),
        ('{"schema_version": ' + "9" * 5000 + "}", "is not the JSON of one"),
        (b"\xff\xfe", "is not the JSON of one"),
    ],
)
def test_what_is_no_record(text: str | bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        results.loads(text, "student.json")


def test_nested_values_have_a_limit() -> None:
    nested: list[Any] = []
    for _ in range(20):
        nested = [nested]
    with pytest.raises(ProtocolError, match=r"options.* is nested more than 8 deep"):
        results.loads(edited(put({"a": nested}, "options")), "student.json")


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"missing\.json cannot be read: No such file"):
        results.load(tmp_path / "missing.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(ProtocolError, match=r"cannot write .*record\.json: .*Choose another --output"):
        results.save(record(), tmp_path / "file" / "record.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(results.MAX_BYTES + 1)
    with pytest.raises(ProtocolError, match="more than 64 MiB"):
        results.load(tmp_path / "huge.json")
