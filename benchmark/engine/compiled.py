"""The training step as one compiled function: forward, backward and the optimizer over one flat vector.

Weights stay float32; with `bfloat16` convolutions and matrix products run in it, and the classifier in float32. Shapes
are fixed, so what does not fill them is padded with images of weight zero. One function serves every seed, recipe
length and set of its shape; its machine code is kept on disk (`machine_code`), so that only the first run pays for it.

Beside the convolutions nothing may cost much, and on small images half of a step was spent on the optimizer alone. So
the flat vector holds a kernel's weights in the order in which convolutions read and write them, and each of an
optimizer's vectors is a tensor of its own, which compiles to one loop over all weights.

On a GPU the same step may be made of the network's own operations, recorded as a CUDA graph and not compiled, which
costs nothing to begin with. The weights lie in their usual order then.

On large images a batch's maps would leave a CPU's cache between one layer and the next, which costs a quarter of the
time. So there the batch is taken in slices: the compiled function adds up their gradients, and the optimizer follows as
plain operations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from benchmark import architectures
from benchmark.engine.capture import Captured
from benchmark.engine.draws import generator, global_draws
from benchmark.engine.losses import losses_of
from benchmark.engine.lowering import lower
from benchmark.engine.machine_code import (
    NotAlone,
    Shape,
    StepKind,
    forward_file,
    kept,
    sliced,
    step_file,
    step_kind,
    test_batch,
)
from benchmark.engine.steps import ALL
from benchmark.recipe import Recipe

__all__ = ["CompiledSteps", "Precise", "compiled_forward", "compiled_function", "joined"]

BETA2, EPS = 0.999, 1e-8
"""Adam's, as PyTorch's defaults."""

ForwardFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
StepFunction = Callable[..., Any]


class CompiledSteps:
    """Trains a network whose parameters become views of one flat vector, so that it is up to date at any time."""

    def __init__(
        self, network: torch.nn.Module, recipe: Recipe, shape: Shape, batch: int, soft: bool, recorded: bool = False
    ) -> None:
        """`batch`: images of a full batch; `soft`: whether labels are probabilities; `recorded`: the network's own
        operations as a CUDA graph, in place of compiled ones."""
        self.recipe = recipe
        self.kind = step_kind(recipe, batch, soft)
        self.slice = sliced(shape, batch)
        self.done = 0
        self.function = _step_function(shape, self.kind, recorded)
        n_state = 1 + _n_moments(recipe.optimizer)
        if isinstance(self.function, Captured):
            self.state = self.function.inputs[:n_state]
        else:
            size = sum(parameter.numel() for parameter in network.parameters())
            device = next(network.parameters()).device
            self.state = [torch.empty(size, device=device) for _ in range(n_state)]
        _flatten(network, self.flat, recorded)
        self.reset()

    @property
    def flat(self) -> torch.Tensor:
        """The weights, (P,)."""
        return self.state[0]

    def reset(self) -> None:
        for moment in self.state[1:]:
            moment.zero_()
        self.done = 0

    def step(
        self, images: torch.Tensor, labels: torch.Tensor, rate: float, rows: torch.Tensor | slice = ALL
    ) -> torch.Tensor:
        self.done += 1
        first = 1 - self.recipe.momentum**self.done if self.recipe.momentum else 1.0
        scalars = torch.tensor([rate, first, (1 - BETA2**self.done) ** 0.5]).to(self.flat.device, non_blocking=True)
        n = len(images)
        batch: Sequence[torch.Tensor] = (images, labels, torch.full((n,), 1 / n, device=self.flat.device))
        if n % self.slice:
            batch = [_padded(tensor, self.slice - n % self.slice) for tensor in batch]
        with torch.no_grad():
            if self.slice == self.kind.batch:
                whole: torch.Tensor = self.function(*self.state, *batch, scalars)
                return whole
            gradient, loss = torch.zeros_like(self.flat), torch.zeros(())
            for part in zip(*(torch.split(tensor, self.slice) for tensor in batch), strict=True):
                loss += self.function(self.flat, gradient, *part)
            _update(self.flat, self.state[1:], gradient, scalars, self.kind.rule)
        return loss


def _flatten(network: torch.nn.Module, flat: torch.Tensor, plain: bool) -> None:
    """Copy all parameters into one vector (P,) and make them views of it."""
    parameters = list(network.parameters())
    flat.copy_(joined((parameter.detach() for parameter in parameters), plain))
    for parameter, part in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.data = _shaped(part, parameter.shape, plain)


def joined(parts: Iterable[torch.Tensor], plain: bool = False) -> torch.Tensor:
    """One vector (P,) of weights or gradients; unless it is `plain`, kernels (O, I, H, W) lie in it as (O, H, W, I)."""
    as_stored = (part.permute(0, 2, 3, 1) if part.ndim == 4 and not plain else part for part in parts)
    return torch.cat([part.flatten() for part in as_stored])


def _shaped(part: torch.Tensor, shape: torch.Size, plain: bool) -> torch.Tensor:
    """A view of a part of such a vector, as the parameter that it is."""
    if plain or len(shape) != 4:
        return part.view(shape)
    out, into, height, width = shape
    return part.view(out, height, width, into).permute(0, 3, 1, 2)


def _n_moments(optimizer: str) -> int:
    """Vectors that an optimizer keeps beside the weights."""
    return 1 if optimizer == "sgd" else 2


def compiled_forward(shape: Shape, network: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from images (N, C, H, W), any N, to logits (N, K) in float32, under the network's present weights."""
    function, size = _forward_function(shape), test_batch(shape)
    parameters = list(network.parameters())

    def forward(images: torch.Tensor) -> torch.Tensor:
        found = []
        with torch.inference_mode(False), torch.no_grad():  # on a GPU as it was compiled, or it would be again
            flat = joined(parameters)
            for chunk in torch.split(images, size):
                n = len(chunk)
                whole = chunk if n == size else _padded(chunk, size - n)
                found.append(function(flat, whole)[:n])
        return torch.cat(found)

    return forward


def _padded(tensor: torch.Tensor, n: int) -> torch.Tensor:
    return torch.cat([tensor, tensor.new_zeros(n, *tensor.shape[1:])])


class Precise(torch.nn.Module):
    """A network that runs its features in the wanted precision, and the rest in float32: a lowered one in
    channels_last, a `plain` one as it is."""

    def __init__(self, network: torch.nn.Module, shape: Shape, plain: bool) -> None:
        super().__init__()
        self.network, self.plain = network, plain
        self.low = shape.precision == "bfloat16"
        self.kind = shape.device.partition(":")[0]

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        if not self.plain:
            dtype = torch.bfloat16 if self.low else torch.float32
            images = images.to(dtype, memory_format=torch.channels_last)
        with torch.autocast(self.kind, torch.bfloat16, enabled=self.low, cache_enabled=False):
            features: torch.Tensor = self.network.embed(images)  # type: ignore[operator]
        return features.float()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network.classifier(self.embed(images))  # type: ignore[operator]
        return logits


class _Applied(torch.nn.Module):
    """A function of a network and tensors, as a module."""

    def __init__(self, network: torch.nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self.function = network, function

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self.function(self.network, *tensors)


def _shown(*size: int) -> torch.Tensor:
    """Numbers that only show a compiler what comes."""
    return torch.randn(*size, generator=generator(0, "shown")) * 0.01


class _Model:
    """A network as a function of one flat vector."""

    def __init__(self, shape: Shape, pool: bool = True, plain: bool = False) -> None:
        """`pool`: of `lower`; `plain`: the network is not lowered."""
        with global_draws(generator(0, "shown")):  # no weight is kept
            network = architectures.build(shape.architecture, shape.images, shape.classes)
        self.plain = plain
        self.network = Precise(network if plain else lower(network, pool), shape, plain).to(shape.device)
        named = list(self.network.named_parameters())
        self.names = [name for name, _ in named]
        self.shapes = [parameter.shape for _, parameter in named]
        self.sizes = [parameter.numel() for _, parameter in named]

    def parts(self, flat: torch.Tensor) -> list[torch.Tensor]:
        cut = torch.split(flat, self.sizes)
        return [_shaped(part, shape, self.plain) for part, shape in zip(cut, self.shapes, strict=True)]

    def logits(self, parts: list[torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = functional_call(self.network, dict(zip(self.names, parts, strict=True)), (images,))
        return found


@functools.cache
def compiled_function(
    shape: Shape,
    function: Callable[..., tuple[torch.Tensor, ...]],
    example: tuple[tuple[tuple[int, ...], torch.dtype], ...],
    maps: bool = False,
) -> Callable[..., tuple[torch.Tensor, ...]]:
    """`function(network, *tensors)` of tensors like the example (shapes and dtypes), compiled as one of the network's
    weights (P,), as `joined` orders them, and the tensors.

    The function may take gradients of the network's parameters; `maps` keeps poolings apart from activations.
    """
    model = _Model(shape, pool=not maps)
    applied = _Applied(model.network, function)

    def whole(flat: torch.Tensor, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = [part.detach().requires_grad_() for part in model.parts(flat)]
        named = {f"network.{name}": part for name, part in zip(model.names, parts, strict=True)}
        with torch.enable_grad():
            found: tuple[torch.Tensor, ...] = functional_call(applied, named, tensors)
        return tuple(part.detach() for part in found)

    flat = _shown(sum(model.sizes))
    tensors = (flat, *(torch.ones(size, dtype=dtype) for size, dtype in example))
    compiled: Callable[..., tuple[torch.Tensor, ...]] = _compile(whole, tuple(t.to(shape.device) for t in tensors))
    return compiled


@functools.cache
def _step_function(shape: Shape, kind: StepKind, recorded: bool) -> StepFunction:
    """From weights, moments, images, labels, their weights and `_update`'s scalars to the loss, having learned from a
    batch; where it is taken in slices, from weights, the gradient so far, and a slice, having added its gradient."""
    model = _Model(shape, plain=recorded)
    recipe = Recipe("compiled", loss=kind.loss, label_smoothing=kind.label_smoothing)

    def gradient(flat: torch.Tensor, batch: Iterable[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels, weights = batch
        parts = [part.detach().requires_grad_() for part in model.parts(flat)]
        with torch.enable_grad():
            loss = (losses_of(recipe, model.logits(parts, images), labels) * weights).sum()
        return joined(torch.autograd.grad(loss, parts, materialize_grads=True), recorded), loss.detach()

    def step(flat: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        *moments, images, labels, weights, scalars = rest
        found, loss = gradient(flat, (images, labels, weights))
        _update(flat, moments, found, scalars, kind.rule)
        return loss

    def add(flat: torch.Tensor, so_far: torch.Tensor, *batch: torch.Tensor) -> torch.Tensor:
        found, loss = gradient(flat, batch)
        so_far.add_(found)
        return loss

    n, size = sum(model.sizes), sliced(shape, kind.batch)
    whole = size == kind.batch
    state = [_shown(n), *(torch.zeros(n) for _ in range(_n_moments(kind.rule[0]) if whole else 1))]
    soft, ids = torch.full((size, shape.classes), 1 / shape.classes), torch.zeros(size, dtype=torch.int64)
    batch = [_shown(size, *shape.images), soft if kind.soft else ids, torch.full((size,), 1 / size)]
    example = (*state, *batch, torch.full((3,), 0.5)) if whole else (*state, *batch)
    inputs = tuple(tensor.to(torch.device(shape.device)) for tensor in example)
    if recorded:
        return Captured(step, inputs, len(state))
    compiled: StepFunction = _compile(step if whole else add, inputs, n_state=len(state), file=step_file(shape, kind))
    return compiled


def _update(
    flat: torch.Tensor,
    moments: Sequence[torch.Tensor],
    gradient: torch.Tensor,
    scalars: torch.Tensor,
    rule: tuple[Any, ...],
) -> None:
    """SGD, Adam or AdamW in place, as torch.optim has them; `scalars`: the rate and Adam's two corrections."""
    optimizer, momentum, nesterov, decay = rule
    rate, first, second = scalars.unbind()
    if optimizer != "adamw":
        gradient = gradient + decay * flat
    velocity = momentum * moments[0] + (gradient if optimizer == "sgd" else (1 - momentum) * gradient)
    if optimizer == "sgd":
        change = rate * (gradient + momentum * velocity if nesterov else velocity)
    else:
        squares = BETA2 * moments[1] + (1 - BETA2) * gradient.square()
        change = rate / first * velocity / (squares.sqrt() / second + EPS)
        if optimizer == "adamw":
            change = change + rate * decay * flat
        moments[1].copy_(squares)
    moments[0].copy_(velocity)
    flat.sub_(change)


@functools.cache
def _forward_function(shape: Shape) -> ForwardFunction:
    model = _Model(shape)

    def forward(flat: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        return model.logits(model.parts(flat), images)

    example = (_shown(sum(model.sizes)), _shown(test_batch(shape), *shape.images))
    with torch.no_grad():
        inputs = tuple(tensor.to(shape.device) for tensor in example)
        compiled: ForwardFunction = _compile(forward, inputs, file=forward_file(shape))
    return compiled


def _compile(
    function: Callable[..., Any], example: tuple[torch.Tensor, ...], n_state: int = 0, file: Path | None = None
) -> Any:
    """Trace a function with its backward pass into one graph and compile it; on a GPU, record a step for replay.

    `n_state`: how many of the first arguments are changed in place. `file`: where a CPU's code is kept; without one it
    is torch's to keep, which takes seconds to find it again.
    """
    if file is not None and not example[0].is_cuda:
        with suppress(NotAlone):
            return kept(file, function, example)
    # The number of threads is built into the code, so it must be part of what names it in the cache. On a GPU the order
    # of sums is otherwise chosen by timing kernels, and another one is chosen the next time.
    options: dict[str, Any] = {"cpp.threads": torch.get_num_threads()}
    if example[0].is_cuda:
        options = {"deterministic": True}
    traced = make_fx(function)(*example)
    with global_draws(generator(0, "shown")), torch.no_grad():
        compiled = torch.compile(traced, fullgraph=True, dynamic=False, options=options)
        compiled(*example)
        if n_state and example[0].is_cuda:
            return Captured(compiled, example, n_state)
    return compiled
