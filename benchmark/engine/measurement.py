"""What a probe sees: a network and the images to measure it on, with shared forward passes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmark.engine.chunks import in_chunks
from benchmark.engine.draws import generator
from benchmark.engine.materials import Examples
from benchmark.errors import UsageError

__all__ = ["Measurement"]


class Measurement:
    """A network in evaluation mode, beside real images in its own space. Probes of one moment share its passes."""

    def __init__(
        self,
        network: torch.nn.Module,
        examples: Examples | None,
        forward: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        """`forward`: a faster way from images to logits than the network's own."""
        self.network = network.eval()
        self._examples = examples
        self._forward = forward or self.network
        self._passed: dict[str, torch.Tensor] = {}

    @property
    def examples(self) -> Examples:
        """What is measured on; raises UsageError where a probe that needs data names none."""
        if self._examples is None:
            raise UsageError("a probe measures images, but names no data to measure on.")
        return self._examples

    @property
    def images(self) -> torch.Tensor:
        """(N, C, H, W) float32 in the network's space."""
        return self.examples.images

    @property
    def labels(self) -> torch.Tensor:
        """(N,) int64 class ids."""
        return self.examples.labels

    def subset(self, n: int | None) -> torch.Tensor:
        """Rows of a draw of n images, ascending, the same for every network; all rows where there are no more."""
        total = len(self.labels)
        if n is None or n >= total:
            return torch.arange(total, device=self.labels.device)
        drawn = torch.randperm(total, generator=generator(0, "subset"))[:n]
        return drawn.sort().values.to(self.labels.device)

    def of(self, rows: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> Measurement:
        """The same network on some of the images, their pixels (N, C, H, W) in 0..1 changed."""
        space = self.examples.space
        pixels = space.to_pixel(self.images[rows]).clamp(0, 1)
        examples = Examples(space.from_pixel(change(pixels)), self.labels[rows], space, self.examples.facts)
        return Measurement(self.network, examples, self._forward)

    @property
    def logits(self) -> torch.Tensor:
        """(N, K) outputs before softmax."""
        return self._once("logits", self._forward)

    @property
    def embeddings(self) -> torch.Tensor:
        """(N, F) features before the classifier."""
        embed: Callable[[torch.Tensor], torch.Tensor] = self.network.embed  # type: ignore[assignment]
        return self._once("embeddings", embed)

    def _once(self, name: str, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Not `cached_property`: in Python 3.11 a class has one lock for it, so networks would be tested in turn."""
        if name not in self._passed:
            self._passed[name] = self._passes(function)
        return self._passed[name]

    def _passes(self, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat(list(in_chunks(function, self.images)))
