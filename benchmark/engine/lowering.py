"""A network in a form that compiles well: the same parameters under the same names, fewer and larger operations.

Instance norm, ReLU and average pooling become one function with a backward pass written by hand, which reads its input
twice where the general ones read it six times. A convolution before an instance norm runs without its bias: the norm
subtracts it again, so that it changes nothing but rounding. Small ones, and those of grey images, may run as one matrix
product in bfloat16 on a CPU: a library's convolutions cost more to begin than small ones take, and are slow on a single
channel; float32 gains nothing. Everything else is left as it is.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["NormActivationPool", "activation_layers", "convolution_as_product", "lower", "refusal"]

SMALL = 2**18
"""Numbers that a small convolution reads, one for each weight of a kernel and each position: they stay in the cache."""
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.Sigmoid, nn.SiLU)


def refusal(network: nn.Module) -> str:
    """Why a network is not for a compiled step; empty where it is."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return "batch norm keeps running statistics beside its weights"
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            return "dropout draws random numbers inside the network"
    if not hasattr(network, "embed") or not hasattr(network, "classifier"):
        return "it is no `embed` and `classifier`"
    return ""


def lower(network: nn.Module, pool: bool = True) -> nn.Module:
    """A copy of the network whose modules compile well; parameters keep their names and shapes.

    Without `pool` poolings stay layers of their own, so that what lies before them can be seen.
    """
    lowered = copy.deepcopy(network)
    for module in lowered.modules():
        if isinstance(module, nn.Sequential):
            _fuse(module, pool)
    return lowered


def activation_layers(network: nn.Module) -> list[nn.Module]:
    """The layers that put out activations, in the order in which they are listed; of a lowered network too."""
    modules = list(network.modules())
    fused: list[nn.Module] = [module for module in modules if isinstance(module, _Fused) and module.relu]
    return fused or [module for module in modules if isinstance(module, _ACTIVATIONS)]


def _fuse(layers: nn.Sequential, with_pool: bool) -> None:
    """Replace each instance norm, and what follows it, within one chain of layers."""
    for place, layer in enumerate(layers):
        if not isinstance(layer, nn.GroupNorm) or layer.num_groups != layer.num_channels or not layer.affine:
            continue
        before = layers[place - 1] if place else None
        if isinstance(before, nn.Conv2d) and before.bias is not None and before.padding_mode == "zeros":
            layers[place - 1] = _Unbiased(before)
        following = list(layers)[place + 1 : place + 3]
        relu = bool(following) and isinstance(following[0], nn.ReLU)
        pool = with_pool and relu and len(following) > 1 and _halves(following[1])
        layers[place] = _Fused(layer, relu, pool)
        for done in range(relu + pool):
            layers[place + 1 + done] = nn.Identity()


def _halves(layer: nn.Module) -> bool:
    return isinstance(layer, nn.AvgPool2d) and (layer.kernel_size, layer.stride, layer.padding) == (2, 2, 0)


class _Unbiased(nn.Module):
    """A convolution that leaves its bias alone."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self.options: Any = (layer.stride, layer.padding, layer.dilation, layer.groups)
        self.is_plain = not isinstance(layer.padding, str) and self.options == ((1, 1), layer.padding, (1, 1), 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        grey_or_small = maps.shape[1] == 1 or maps[:, 0].numel() * self.weight[0].numel() <= SMALL
        if self.is_plain and grey_or_small and maps.dtype == torch.bfloat16 and not maps.is_cuda:
            return convolution_as_product(maps, self.weight, self.options[1])
        return F.conv2d(maps, self.weight, None, *self.options)


def convolution_as_product(maps: torch.Tensor, weight: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
    """Convolve maps (N, C, H, W) with kernels (O, C, k, l) as one product in the maps' dtype, as F.conv2d at stride 1.

    What every place of the result sees becomes a row; kernels that lie as (O, k, l, C) are read as they are.
    """
    (out, _, rows, columns), (above, beside) = weight.shape, padding
    padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, beside, beside, above, above))
    n, height, width = padded.shape[0], padded.shape[1] - rows + 1, padded.shape[2] - columns + 1
    seen = torch.cat([padded[:, i : i + height, j : j + width] for i in range(rows) for j in range(columns)], 3)
    kernels = weight.permute(0, 2, 3, 1).reshape(out, -1).to(maps.dtype)
    return (seen.reshape(n * height * width, -1) @ kernels.t()).view(n, height, width, out).permute(0, 3, 1, 2)


class _Fused(nn.Module):
    """Instance norm with what follows it."""

    def __init__(self, norm: nn.GroupNorm, relu: bool, pool: bool) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.relu, self.pool = relu, pool

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        even = maps.shape[2] % 2 == 0 and maps.shape[3] % 2 == 0
        fused = NormActivationPool.apply(maps, self.weight, self.bias, self.eps, self.relu, self.pool and even)
        result: torch.Tensor = fused if even or not self.pool else F.avg_pool2d(fused, 2)
        return result


class NormActivationPool(torch.autograd.Function):
    """Instance norm with scale and shift, then ReLU and 2x2 average pooling where wanted.

    Computes in float32 whatever the maps are, (N, C, H, W) to (N, C, H, W) or (N, C, H/2, W/2) in their dtype. Meant to
    be compiled: run eagerly it is right and slow.
    """

    @staticmethod
    def forward(
        ctx: Any, maps: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, eps: float, relu: bool, pool: bool
    ) -> torch.Tensor:
        exact = maps.float()
        n, channels, height, width = maps.shape
        mean = _stored(exact.mean((2, 3), keepdim=True))
        inverse = _stored(torch.rsqrt((exact - mean).square().mean((2, 3), keepdim=True) + eps))
        slope = _stored(inverse * scale[:, None, None])
        offset = _stored(shift[:, None, None] - mean * slope)
        result = exact * slope + offset
        if relu:
            result = result.relu()
        if pool:
            last = result.permute(0, 2, 3, 1).reshape(n, height // 2, 2, width // 2, 2, channels)
            result = last.sum((2, 4)).permute(0, 3, 1, 2) * 0.25
        ctx.save_for_backward(maps, mean, inverse, slope, offset)
        ctx.relu, ctx.pool = relu, pool
        return result.to(maps.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        maps, mean, inverse, slope, offset = ctx.saved_tensors
        gradient = gradients[0].float()
        n, channels, height, width = maps.shape
        if ctx.pool:
            spread = (gradient * 0.25)[:, :, :, None, :, None].expand(n, channels, height // 2, 2, width // 2, 2)
            gradient = spread.reshape(n, channels, height, width)
        exact = maps.float()
        if ctx.relu:
            gradient = torch.where(exact * slope + offset > 0, gradient, 0.0)
        by_shift = gradient.sum((2, 3), keepdim=True)
        by_scale = _stored((gradient * (exact - mean)).sum((2, 3), keepdim=True) * inverse)
        # slope * (gradient - mean of it - normed * mean of gradient * normed), as it is a line in the maps
        part = 1 / (height * width)
        by_value = _stored(-part * slope * inverse * by_scale)
        constant = _stored(-part * slope * by_shift - by_value * mean)
        by_maps = (gradient * slope + exact * by_value + constant).to(maps.dtype)
        return by_maps, by_scale.sum((0, 2, 3)), by_shift.sum((0, 2, 3)), None, None, None


def _stored(values: torch.Tensor) -> torch.Tensor:
    """The values, one for each map: computed once and not again at each of its places, as a compiler would have it."""
    return values.as_strided(values.shape, values.stride())
