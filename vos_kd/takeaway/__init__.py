"""What a user takes away from a run, and figures that compare two runs or a run with the truth.

The page lets a run write `vos_kd.outputs.ResultFiles` into the visitor's folder; everything here starts from there, one
`Results` a model, and reads it frame by frame. Files appear whole or not at all; write them when they are asked for.

    student, teacher = (Results(label, folder / label / "Annotations" / clip) for label in ("student", "teacher"))
    command = command_line(request)                       # the "Reproduce" box; request: vos_kd.segment_request.Request
    manifest = build_manifest([student, teacher], weights, command, history)
    write_masks(folder / "masks.zip", [student, teacher], given_masks, manifest)
    with open_clip(path) as clip:
        write_cutout_video(folder / "cutout.webm", student, clip, clip.info.fps)
        write_cutout_images(folder / "cutout.zip", student, clip, objects=[2])
    curve = agreement(student, teacher, history.object_ids)            # names, IoU [T, O], mean [T]
    pane = draw_disagreement(image, student.mask(name), teacher.mask(name))
    with Truth(zip_or_folder, clip.info) as truth:                     # checked: bombs, names, sizes, ids
        scores = score(student, truth, history.object_ids, boundary_f)

Bad input raises `InputError` with a text for the user.
"""

from __future__ import annotations

from vos_kd.takeaway.agreement import Agreement, agreement, draw_disagreement, object_ious
from vos_kd.takeaway.cutouts import write_cutout_images, write_cutout_video
from vos_kd.takeaway.masks import build_manifest, prompt_file, write_masks
from vos_kd.takeaway.reproduce import client_snippet, command_line
from vos_kd.takeaway.results import Results, read_results, safe_name
from vos_kd.takeaway.rle import encode_rle
from vos_kd.takeaway.scores import FMeasure, Scores, check_objects, score, score_frame
from vos_kd.takeaway.truth import Truth

__all__ = [
    "Agreement",
    "FMeasure",
    "Results",
    "Scores",
    "Truth",
    "agreement",
    "build_manifest",
    "check_objects",
    "client_snippet",
    "command_line",
    "draw_disagreement",
    "encode_rle",
    "object_ious",
    "prompt_file",
    "read_results",
    "safe_name",
    "score",
    "score_frame",
    "write_cutout_images",
    "write_cutout_video",
    "write_masks",
]
