"""The About tab's text."""

from __future__ import annotations

TEXT = """
## What this is

Mark an object in one frame, and the network follows it through all the others: that is *semi-supervised video object
segmentation*. vos-kd does it with a small network, the **student**, that learned from a larger one, the **teacher**.
Both run here, on the same prompt, one after the other, so that each has the machine for itself.

## How it works

Each frame becomes *keys*; frames that are remembered also become *values* that say where the objects are. A new frame
looks up, for each of its places, the most alike places in memory, and a decoder turns what was found there into masks.
Several objects share the image's features and are laid over each other by soft aggregation. Memory is bounded, so time
and memory for a frame stay the same however long the clip is.

Teacher and student are trained together: the student imitates the teacher's logits, affinities and features, through
**Smooth Blocks** and against a **Discriminator**; **Space-Time Feature Fusion** lets one image encoder serve query and
memory; and an **adaptive rate** slows imitation down whenever the student is ahead.

It is an independent implementation from the public abstract of Hou, Wang, Ma, Dong, Wang, Yu and Yang, *Lightweight
video object segmentation: Integrating online knowledge distillation for fast segmentation*, Knowledge-Based Systems 308
(2025) 112759. It is not the authors' code, and their exact form of these parts is inferred.

## Marks

Boxes, points and strokes become masks by MobileSAM where this server has it, else by GrabCut, which knows colours and
edges, not things. Where it errs, add a point, exclude one, or paint.

## What is measured

*Network only* is the time in the networks and their memory. *Frame in, mask out* adds scaling and choosing the
likeliest object. *End to end* adds waiting for decoding, drawing and encoding, which run beside. *Agreement* is the
intersection over union of both models' masks, the mean over objects. Where there is truth, *J* is that against the
truth and *F* the accuracy of the contour, as DAVIS defines them.

## Your clip

It stays on this server, in a folder of its own, and is deleted when you leave. Nothing is sent anywhere else, and
nothing is counted.
"""
