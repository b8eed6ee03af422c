"""Networks by name: `convnet`, or `convnet:depth=2,width=64` with options.

One file for each architecture; it defines `build(shape, classes, *, option=default, ...) -> Network`. Importing this
package, and `canonical`, need no torch. docs/architectures.md lists the definitions, their sources and where they fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark import _spec, registry
from benchmark.errors import DoesNotFit

if TYPE_CHECKING:
    from benchmark.architectures._network import Network as Network

__all__ = ["Shape", "build", "canonical", "parse"]

Shape = tuple[int, int, int]
"""Channels, height, width."""


def __getattr__(name: str) -> Any:
    """Import `Network`, and torch with it, only when it is asked for."""
    if name == "Network":
        from benchmark.architectures._network import Network

        return Network
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def parse(spec: str) -> tuple[str, dict[str, Any]]:
    """The registry name and the options that differ from their defaults.

    Raises UsageError for an unknown name, an unknown option or a value that is not allowed.
    """
    name, given = _spec.split(spec)
    known = _spec.keywords_of(registry.path("architecture", name), "build")
    return name, _spec.read(f"architecture {name!r}", given, known)


def canonical(spec: str) -> str:
    """The one text for an architecture: options sorted by name, defaults dropped."""
    return _spec.canonical(*parse(spec))


def build(spec: str, shape: Shape, classes: int) -> Network:
    """Build an untrained network for images of `shape` with PyTorch's default initial weights.

    The weights come from torch's global CPU generator; seeding it is the caller's business. Raises UsageError for a
    bad spec, and DoesNotFit with the reason where the network cannot take such images.
    """
    name, options = parse(spec)
    try:
        network: Network = registry.load("architecture", name)(shape, classes, **options)
    except DoesNotFit as fault:
        channels, height, width = shape
        raise DoesNotFit(f"{canonical(spec)} does not fit images of {channels}x{height}x{width}: {fault}") from None
    return network
