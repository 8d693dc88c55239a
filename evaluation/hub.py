"""The command `hub`: a record as a model card's `model-index`, and as `.eval_results/*.yaml`, for the Hugging Face hub.

Formats: the hub's modelcard specification, and huggingface.co/docs/hub/eval-results.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from evaluation import results
from evaluation.errors import ProtocolError
from evaluation.options import Subparsers
from evaluation.record import Record
from evaluation.whole_files import write_text

_TASK, _TASK_NAME = "video-object-segmentation", "Semi-supervised video object segmentation"
_METRICS = {
    "jf_mean": "J&F",
    "j_mean": "J, mean",
    "j_recall": "J, recall",
    "j_decay": "J, decay",
    "f_mean": "F, mean",
    "f_recall": "F, recall",
    "f_decay": "F, decay",
    "g_overall": "G",
}
_NAMES = {
    "davis2016": "DAVIS-2016",
    "davis2017": "DAVIS-2017",
    "youtubevos2018": "YouTube-VOS 2018",
    "youtubevos2019": "YouTube-VOS 2019",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("hub", help="a record for a model card", description=__doc__)
    add = parser.add_argument
    add("--record", type=Path, nargs="+", required=True, metavar="FILE.json", help="records of one model")
    add("--output", type=Path, required=True, metavar="DIR", help="gets model-index.yaml, .eval_results/*.yaml")
    add("--card", type=Path, metavar="README.md", help="a model card that gets the model-index in its head")
    add("--dataset-id", metavar="OWNER/NAME", help="the benchmark's data set on the hub (default: davis2016 and so on)")
    add("--source", metavar="URL", help="where the results can be looked up, such as the leaderboard's page")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write what the command line asks for, and print the paths."""
    # Imported here: a second that no other command needs.
    import yaml

    records = [results.load(path) for path in arguments.record]
    _check(records, arguments.record)
    index = model_index(records)
    files: dict[Path, object] = {arguments.output / "model-index.yaml": {"model-index": index}}
    for record in records:
        path = arguments.output / ".eval_results" / f"{record.protocol.dataset}.yaml"
        files[path] = eval_results(record, arguments.dataset_id, arguments.source)
    texts = {path: yaml.safe_dump(content, sort_keys=False, allow_unicode=True) for path, content in files.items()}
    if arguments.card:
        texts[arguments.card] = _with_index(arguments.card, index)
    for path, text in texts.items():
        write_text(text, path)
        sys.stdout.write(f"{path}\n")
    return 0


def model_index(records: list[Record]) -> list[dict[str, Any]]:
    """The `model-index` of a model: its metrics in percent on each data set, and the protocol they hold for."""
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    rows = [
        EvalResult(
            task_type=_TASK,
            task_name=_TASK_NAME,
            dataset_type=record.protocol.dataset,
            dataset_name=_dataset_name(record),
            dataset_split=record.protocol.split,
            dataset_args={"resolution": record.protocol.resolution, "convention": record.protocol.convention},
            metric_type=key,
            metric_name=_METRICS[key],
            metric_value=value,
        )
        for record in records
        for key, value in _percent(record).items()
    ]
    found: list[dict[str, Any]] = eval_results_to_model_index(records[0].model.name, rows)
    return found


def eval_results(record: Record, dataset_id: str | None = None, source: str | None = None) -> list[dict[str, Any]]:
    """The entries of `.eval_results/DATASET.yaml`: a task for each metric, in percent.

    Args:
        record: of the whole split.
        dataset_id: of the benchmark on the hub; by default the data set's name.
        source: URL where the results can be looked up.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    protocol = record.protocol
    entries = [
        EvalResultEntry(
            dataset_id=dataset_id or protocol.dataset,
            task_id=key,
            value=value,
            date=record.date,
            source_url=source,
            notes=f"{_METRICS[key]} in percent, {protocol.split} at {protocol.resolution}, convention "
            f"{protocol.convention}, weights {record.model.weights_sha256 or 'not told'}",
        )
        for key, value in _percent(record).items()
    ]
    found: list[dict[str, Any]] = eval_result_entries_to_yaml(entries)
    return found


def _with_index(card: Path, index: list[dict[str, Any]]) -> str:
    """The card's text with these results in its head; what else it says stays, other data sets' results too."""
    import yaml
    from huggingface_hub import ModelCard, metadata_load

    try:
        text = ModelCard(card.read_text(encoding="utf-8"), ignore_metadata_errors=True).text
        head: dict[str, Any] = metadata_load(card) or {}
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ProtocolError(f"{card} is no model card that can be read: {reason}. Expected Markdown.") from error
    try:
        head["model-index"] = _merged(head.get("model-index") or [], index)
    except (TypeError, AttributeError, KeyError) as error:
        raise ProtocolError(
            f"the model-index of {card} is not as the hub wants it ({error!r}); expected name and results, each with "
            "task, dataset and metrics. Mend it or take it out."
        ) from error
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n{text}"


def _merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`new`, with the results of `old` that are of other tasks, data sets or splits, or of other models."""
    (mine,) = new
    places = {_place(result) for result in mine["results"]}
    kept = [one for entry in old if entry["name"] == mine["name"] for one in entry["results"]]
    results = [*(one for one in kept if _place(one) not in places), *mine["results"]]
    return [*(entry for entry in old if entry["name"] != mine["name"]), {**mine, "results": results}]


def _place(result: dict[str, Any]) -> tuple[str, str, str | None]:
    return result["task"]["type"], result["dataset"]["type"], result["dataset"].get("split")


def _check(records: list[Record], paths: list[Path]) -> None:
    first = records[0].model
    for record, path in zip(records, paths, strict=True):
        if record.is_partial:
            raise ProtocolError(f"{path} leaves sequences of the split out: its means are not those of the benchmark.")
        if record.model != first:
            raise ProtocolError(f"{path} is of {record.model.name}, not of {first.name}: a card is of one model.")
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,79}", record.protocol.dataset, re.ASCII):
            raise ProtocolError(
                f"the data set of {path} is {record.protocol.dataset!r:.60}; expected a name such as davis2016, for a "
                "file is called after it. Score again under such a name."
            )
    datasets = [record.protocol.dataset for record in records]
    if len(set(datasets)) < len(datasets):
        raise ProtocolError(f"several records are of one data set ({', '.join(datasets)}); give one for each.")


def _dataset_name(record: Record) -> str:
    name = _NAMES.get(record.protocol.dataset, record.protocol.dataset)
    return f"{name} {record.protocol.split}"


def _percent(record: Record) -> dict[str, float]:
    means = results.means(record)
    return {key: round(100 * value, 2) for key in _METRICS if (value := means[key]) is not None}
