"""Layouts that are recognised and refused with the reason, so that nobody looks for the mistake elsewhere.

Weights of networks other than HaBa's styles: no decoder here is their generator, and its images, baked in as plain
images, would count many times the bytes of the method. Dataset Distillation (Wang et al.): ordered steps with a
learning rate each, made for one initialisation. Trajectories of MTT: networks, not images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts import factorized
from benchmark.convert.layouts._found import Found, Layout, is_array, is_images
from benchmark.errors import InvalidInput

__all__ = ["LAYOUT"]


def _is_weights(value: Any) -> bool:
    """Whether a value is the state of a network, or a list of them."""
    states = value if isinstance(value, list) else [value]
    return bool(states) and all(isinstance(state, dict) and _is_state(state) for state in states)


def _is_state(state: dict[str, Any]) -> bool:
    return bool(state) and all(map(is_array, state.values())) and any("." in name for name in state)


def _is_steps(value: Any) -> bool:
    """[(images, labels, lr), …] of Dataset Distillation."""
    return isinstance(value, list) and all(isinstance(s, list) and len(s) == 3 and is_images(s[0]) for s in value)


def _is_trajectories(value: Any) -> bool:
    """A list of runs of snapshots of parameters: arrays four lists deep."""
    for _ in range(3):
        if not isinstance(value, list) or not value:
            return False
        value = value[0]
    return is_array(value)


def _reason(files: Sequence[Loaded]) -> str:
    for file in files:
        if _is_weights(file.content) and not factorized.looks_like_styles(file.content):
            return (
                "holds the weights of networks, such as a generator, but not HaBa's styles. There is no decoder for "
                "them here, and baked into images they would count far more bytes than your method stores. Fix: add a "
                "decoder (benchmark/decoders/), or hand in the decoded images as a set of their own size."
            )
        if isinstance(file.content, list) and file.content and _is_steps(file.content):
            return (
                "holds ordered steps with a learning rate each (Dataset Distillation), which belong to one "
                "initialisation. Fix: hand in the images of all steps together as bare arrays."
            )
        if _is_trajectories(file.content):
            return (
                "holds trajectories of networks (MTT's buffers), not images. Fix: name images_best.pt, labels_best.pt."
            )
    return ""


def _recognises(files: Sequence[Loaded]) -> bool:
    return bool(_reason(files))


def _read(files: Sequence[Loaded], request: Request) -> Found:
    raise InvalidInput(f"{', '.join(file.name for file in files)}: {_reason(files)}")


LAYOUT = Layout("refused with the reason: other networks, Dataset Distillation, MTT's buffers", _recognises, _read)
