"""Architectures: parameter counts by hand, what fits which input, specs, and what the engine relies on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmark import architectures, registry
from benchmark.architectures import Network, Shape, build, canonical
from benchmark.errors import DoesNotFit, UsageError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
SHAPES: list[Shape] = [(channels, side, side) for side in (8, 28, 32, 64) for channels in (1, 3)]
SPECS = [*registry.names("architecture"), "alexnet:norm=batch", "resnet18:norm=batch", "vgg11:norm=batch"]
MISFITS = {
    *[(spec, (channels, 8, 8)) for spec in ("alexnet", "alexnet:norm=batch", "resnet18") for channels in (1, 3)],
    *[(spec, (channels, 8, 8)) for spec in ("vgg11", "vgg11:norm=batch") for channels in (1, 3)],
    *[(spec, (3, 28, 28)) for spec in ("vgg11", "vgg11:norm=batch")],
}


def n_parameters(spec: str, shape: Shape, classes: int = 10) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(spec, shape, classes).parameters())


def conv(before: int, after: int, kernel: int) -> int:
    return before * after * kernel * kernel + after


def linear(before: int, after: int) -> int:
    return before * after + after


def block(before: int, after: int) -> int:
    """A residual block: two 3x3 convolutions without biases and norms, and a 1x1 shortcut where the width changes."""
    shortcut = before * after + 2 * after if before != after else 0
    return 9 * before * after + 9 * after * after + 4 * after + shortcut


@pytest.mark.parametrize(
    ("spec", "shape", "classes", "count"),
    [
        ("convnet", (3, 32, 32), 10, 320_010),  # the published number for ConvNet-D3 on CIFAR-10
        ("convnet", (3, 32, 32), 100, 3584 + 2 * 147_584 + 3 * 256 + linear(2048, 100)),
        ("convnet", (1, 28, 28), 10, conv(1, 128, 3) + 2 * 147_584 + 3 * 256 + linear(128 * 4 * 4, 10)),
        ("convnet", (3, 28, 28), 10, 3584 + 2 * 147_584 + 3 * 256 + linear(128 * 3 * 3, 10)),
        ("convnet", (1, 8, 8), 10, conv(1, 128, 3) + 2 * 147_584 + 3 * 256 + linear(128, 10)),
        ("convnet", (3, 64, 64), 200, 3584 + 3 * 147_584 + 4 * 256 + linear(128 * 4 * 4, 200)),
        ("convnet:depth=3", (3, 64, 64), 10, 3584 + 2 * 147_584 + 3 * 256 + linear(128 * 8 * 8, 10)),
        ("convnet:depth=2,width=64", (1, 8, 8), 10, 640 + 128 + conv(64, 64, 3) + 128 + linear(64 * 2 * 2, 10)),
        ("convnet:norm=none", (3, 32, 32), 10, 320_010 - 3 * 256),
        ("convnet:depth=1,norm=layer,width=4", (1, 8, 8), 10, conv(1, 4, 3) + 2 * 4 * 64 + linear(4 * 4 * 4, 10)),
        ("convnet:depth=1,pooling=none,width=4", (1, 8, 8), 10, conv(1, 4, 3) + 8 + linear(4 * 8 * 8, 10)),
        ("mlp", (3, 32, 32), 10, linear(3072, 128) + linear(128, 128) + linear(128, 10)),
        ("mlp", (1, 8, 8), 10, linear(64, 128) + linear(128, 128) + linear(128, 10)),
        ("lenet", (1, 28, 28), 10, 61_706),  # LeNet-5 with full connections
        ("lenet", (3, 32, 32), 10, conv(3, 6, 5) + conv(6, 16, 5) + linear(400, 120) + linear(120, 84) + 850),
        ("lenet", (1, 8, 8), 10, conv(1, 6, 5) + conv(6, 16, 5) + linear(16 * 2 * 2, 120) + linear(120, 84) + 850),
        (
            "alexnet",
            (3, 32, 32),
            10,
            conv(3, 128, 5)
            + conv(128, 192, 5)
            + conv(192, 256, 3)
            + conv(256, 192, 3)
            + conv(192, 192, 3)
            + linear(192 * 4 * 4, 10),
        ),
        ("vgg11", (3, 32, 32), 10, 9_231_114),  # as counted for VGG11 with batch norm in kuangliu/pytorch-cifar
        ("vgg11", (1, 28, 28), 10, 9_231_114 - 2 * 9 * 64),
        ("resnet18", (3, 32, 32), 10, 11_173_962),  # likewise
        ("resnet18:norm=batch", (3, 64, 64), 10, 11_173_962),
        ("nasbench201", (3, 32, 32), 10, 1_531_546),  # the largest of the table
        (f"nasbench201:cell={'.'.join(['skip_connect'] * 6)}", (3, 32, 32), 10, 73_306),  # its smallest
        ("resnet-narrow", (1, 8, 8), 10, 144 + 32 + block(16, 16) + block(16, 32) + block(32, 64) + linear(64, 10)),
    ],
)
def test_parameters_are_counted_by_hand(spec: str, shape: Shape, classes: int, count: int) -> None:
    assert n_parameters(spec, shape, classes) == count


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spec", SPECS)
def test_every_network_takes_its_input_or_says_why_not(spec: str, shape: Shape) -> None:
    if (spec, shape) in MISFITS:
        with pytest.raises(DoesNotFit, match=rf"^{spec} does not fit images of .*: .{{20,}}\.$"):
            build(spec, shape, 7)
        return
    network = build(spec, shape, 7).eval()
    with torch.no_grad():
        features = network.embed(torch.zeros(1, *shape))
        assert features.shape == (1, network.classifier.in_features)
        assert network.classifier(features).shape == (1, 7)


@pytest.mark.parametrize("spec", [*SPECS, "convnet:pooling=none", "convnet:depth=2", "resnet-narrow:norm=batch"])
def test_no_small_input_ends_in_a_shape_error_of_torch(spec: str) -> None:
    for side in (1, 3, 4, 5, 8, 9, 10):
        try:
            network = build(spec, (1, side, side + 3), 10).eval()
        except DoesNotFit:
            continue
        with torch.no_grad():
            assert network(torch.zeros(1, 1, side, side + 3)).shape == (1, 10)


@pytest.mark.parametrize("spec", [name for name in SPECS if (name, (1, 8, 8)) not in MISFITS])
def test_forward_is_the_classifier_on_the_features(spec: str) -> None:
    network = build(spec, (1, 8, 8), 10).eval()
    images = torch.randn(3, 1, 8, 8)
    assert isinstance(network.classifier, nn.Linear)
    assert torch.equal(network(images), network.classifier(network.embed(images)))


def test_features_differ_between_images_wherever_a_network_fits() -> None:
    # An instance norm on a map of one pixel would give every image the same features.
    for spec in SPECS:
        if (spec, (1, 8, 8)) not in MISFITS:
            features = build(spec, (1, 8, 8), 10).train().embed(torch.randn(4, 1, 8, 8)).detach()
            assert features.std(dim=0).max() > 1e-3, spec


def test_convnet_goes_deeper_on_larger_images() -> None:
    def depth(side: int) -> int:
        with torch.device("meta"):
            return sum(isinstance(layer, nn.Conv2d) for layer in build("convnet", (3, side, side), 10).modules())

    assert [depth(side) for side in (8, 28, 32, 63, 64, 127, 128)] == [3, 3, 3, 3, 4, 4, 5]


@pytest.mark.parametrize(
    ("shape", "side"), [((1, 28, 28), 32), ((3, 28, 28), 28), ((1, 8, 8), 8), ((1, 32, 32), 32), ((3, 32, 32), 32)]
)
@pytest.mark.parametrize("spec", ["convnet", "convnet:norm=batch,width=4"])
def test_only_grey_28x28_grows_at_the_first_convolution(spec: str, shape: Shape, side: int) -> None:
    first = next(layer for layer in build(spec, shape, 10).modules() if isinstance(layer, nn.Conv2d))
    assert first(torch.zeros(1, *shape)).shape[2:] == (side, side)


def test_instance_norm_centres_each_channel_of_each_image() -> None:
    body = build("convnet", (3, 32, 32), 10).body
    assert isinstance(body, nn.Sequential)
    normed = body[:2](torch.randn(4, 3, 32, 32) + 5).detach()
    assert torch.allclose(normed.mean(dim=(2, 3)), torch.zeros(4, 128), atol=1e-5)
    assert torch.allclose(normed.std(dim=(2, 3), correction=0), torch.ones(4, 128), atol=1e-3)


@pytest.mark.parametrize(
    ("option", "layer"),
    [
        ("activation=leakyrelu", nn.LeakyReLU),
        ("activation=sigmoid", nn.Sigmoid),
        ("activation=swish", nn.SiLU),
        ("norm=batch", nn.BatchNorm2d),
        ("norm=group", nn.GroupNorm),
        ("norm=layer", nn.LayerNorm),
        ("pooling=max", nn.MaxPool2d),
    ],
)
def test_convnet_options_put_in_the_layer_that_they_name(option: str, layer: type[nn.Module]) -> None:
    found = [module for module in build(f"convnet:{option}", (1, 8, 8), 10).modules() if isinstance(module, layer)]
    assert len(found) == 3
    assert not isinstance(found[0], nn.GroupNorm) or found[0].num_groups == 4


def test_a_node_of_nasbench201_sums_its_edges_each_of_one_operation() -> None:
    """With a skip from 0 to 1, a pool from 1 to 3 and a skip from 0 to 3, a cell adds the pooled input to its input."""
    spec = "nasbench201:channels=4,cell=skip_connect.none.none.skip_connect.avg_pool_3x3.none"
    body = build(spec, (3, 8, 8), 10).body
    assert isinstance(body, nn.Sequential)
    maps = torch.randn(2, 4, 8, 8)
    pooled = nn.functional.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)
    assert torch.allclose(body[2](maps), maps + pooled, atol=1e-6)


def test_a_cell_of_nasbench201_that_nothing_crosses_is_zero() -> None:
    body = build(f"nasbench201:channels=4,cell={'.'.join(['none'] * 6)}", (3, 8, 8), 10).body
    assert isinstance(body, nn.Sequential)
    assert torch.equal(body[2](torch.ones(1, 4, 8, 8)), torch.zeros(1, 4, 8, 8))


@pytest.mark.parametrize("cell", ["none", "none.none.none.none.none.nor_conv_5x5", ".".join(["none"] * 7)])
def test_what_is_no_cell_of_nasbench201_is_a_usage_error(cell: str) -> None:
    with pytest.raises(UsageError, match="it must be 6 operations joined by dots"):
        build(f"nasbench201:cell={cell}", (3, 32, 32), 10)


def test_weights_come_from_the_global_generator_and_nothing_is_seeded() -> None:
    torch.manual_seed(3)
    first, second = build("lenet", (1, 8, 8), 10), build("lenet", (1, 8, 8), 10)
    torch.manual_seed(3)
    again = build("lenet", (1, 8, 8), 10)
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, second.classifier.weight)


@pytest.mark.parametrize("spec", ["convnet", "lenet", "resnet-narrow", "resnet-narrow:norm=batch"])
def test_channels_last_gives_the_same_logits(spec: str) -> None:
    network, images = build(spec, (3, 8, 8), 10).eval(), torch.randn(2, 3, 8, 8)
    expected = network(images)
    found = network.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(expected, found, atol=1e-5)


@pytest.mark.parametrize("spec", ["convnet:width=8", "mlp", "lenet", "resnet-narrow"])
def test_networks_can_be_stacked_and_differentiated_as_functions(spec: str) -> None:
    networks = [build(spec, (1, 8, 8), 10) for _ in range(2)]
    parameters, buffers = stack_module_state(networks)
    images = torch.randn(3, 1, 8, 8)

    def loss(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> torch.Tensor:
        logits: torch.Tensor = functional_call(networks[0], (weights, others), (images,))
        return logits.square().mean()

    stacked = vmap(grad(loss))(parameters, buffers)
    (alone,) = torch.autograd.grad(networks[1](images).square().mean(), networks[1].classifier.weight)
    assert torch.allclose(stacked["classifier.weight"][1], alone, atol=1e-6)


@pytest.mark.parametrize("spec", ["convnet:width=8", "lenet", "resnet-narrow"])
def test_gradients_of_gradients_reach_the_images(spec: str) -> None:
    network, images = build(spec, (1, 8, 8), 10), torch.randn(2, 1, 8, 8, requires_grad=True)
    gradients = torch.autograd.grad(network(images).logsumexp(1).sum(), list(network.parameters()), create_graph=True)
    (found,) = torch.autograd.grad(torch.stack([part.square().sum() for part in gradients]).sum(), images)
    assert found.abs().max() > 0


def test_a_network_is_one_graph_for_the_compiler() -> None:
    network, images = build("resnet-narrow", (1, 8, 8), 10).eval(), torch.randn(2, 1, 8, 8)
    compiled: Callable[..., torch.Tensor] = torch.compile(network, backend="eager", fullgraph=True)
    assert torch.equal(compiled(images), network(images))


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("convnet", "convnet"),
        ("convnet:width=64,depth=2", "convnet:depth=2,width=64"),
        ("convnet: width = 064 , norm=batch", "convnet:norm=batch,width=64"),
        ("convnet:width=128,norm=instance,activation=relu,pooling=avg", "convnet"),
        ("convnet:depth=3", "convnet:depth=3"),  # not the default, which goes by the size of the images
        ("resnet18:norm=instance", "resnet18"),
    ],
)
def test_one_architecture_has_one_text(spec: str, text: str) -> None:
    assert canonical(spec) == canonical(text) == text


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("convnt", "Did you mean 'convnet'"),
        ("convnet:widht=64", "unknown option of architecture 'convnet' 'widht'. Did you mean 'width'"),
        ("convnet:norm=instnce", "Did you mean 'instance'"),
        ("convnet:width=many", "width = 'many'; it must be a whole number"),
        ("convnet:width=1.5", "a whole number"),
        ("convnet:width=-1", "0 or above"),
        ("convnet:depth", "name:option=value"),
        ("convnet:", "name:option=value"),
        ("convnet:depth=2,depth=3", "'depth' twice"),
        ("mlp:width=64", "Known: none"),
    ],
)
def test_a_bad_spec_is_a_usage_error_that_says_what_is_allowed(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        canonical(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "convnet:width=0",
        "convnet:depth=0",
        "convnet:norm=group,width=6",
        "nasbench201:cells=0",
        "resnet-narrow:width=0",
    ],
)
def test_sizes_that_make_no_network_are_usage_errors(spec: str) -> None:
    with pytest.raises(UsageError):
        build(spec, (1, 8, 8), 10)


@pytest.mark.parametrize(
    ("spec", "shape", "reason"),
    [
        ("alexnet", (1, 8, 8), "alexnet does not fit images of 1x8x8: its second 5x5 convolution gets a map of 4x4"),
        ("vgg11:norm=batch", (1, 8, 8), "pooling 4 of 5 halves its map, which has shrunk to 1x1"),
        ("convnet:depth=4,norm=none", (1, 8, 8), "the pooling of block 4"),
        ("convnet:depth=4", (1, 8, 8), "one pixel"),
        ("resnet18", (1, 8, 8), "one pixel"),
    ],
)
def test_what_does_not_fit_names_the_layer_and_the_map(spec: str, shape: Shape, reason: str) -> None:
    with pytest.raises(DoesNotFit, match=re.escape(reason)):
        build(spec, shape, 10)


def test_canonical_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from benchmark.architectures import canonical; print(canonical('convnet:width=9,depth=2'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "convnet:depth=2,width=9"


def test_the_package_has_no_other_lazy_name() -> None:
    assert architectures.Network is Network
    with pytest.raises(AttributeError, match="netwrk"):
        _ = architectures.netwrk


def test_the_page_counts_the_parameters_of_every_architecture() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([\d,]+) \| ([\d,]+|does not fit) \| (\d+) \|", PAGE, flags=re.MULTILINE)
    assert {spec.partition(":")[0] for spec, *_ in rows} == set(registry.names("architecture"))
    for spec, large, small, features in rows:
        assert n_parameters(spec, (3, 32, 32)) == int(large.replace(",", "")), spec
        with torch.device("meta"):
            assert build(spec, (3, 32, 32), 10).classifier.in_features == int(features), spec
        if small == "does not fit":
            with pytest.raises(DoesNotFit):
                n_parameters(spec, (1, 8, 8))
        else:
            assert n_parameters(spec, (1, 8, 8)) == int(small.replace(",", "")), spec


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of outsiders' plug-ins that the registry searches during one test."""
    monkeypatch.setenv(registry.ENVIRONMENT, os.pathsep.join([str(tmp_path)]))
    registry._files.cache_clear()
    yield tmp_path
    registry._files.cache_clear()
    for name in [name for name in sys.modules if name.startswith("distillbench_plugins.architectures.")]:
        del sys.modules[name]


def test_the_whole_file_of_the_page_is_an_architecture(plugin_folder: Path) -> None:
    (plugin_folder / "architectures").mkdir()
    source = PAGE.rpartition("```python\n")[2].partition("```")[0]
    (plugin_folder / "architectures" / "grid_mean.py").write_text(source, encoding="utf-8")
    assert registry.version("architecture", "grid-mean") == 1
    assert canonical("grid-mean:grid=4") == "grid-mean"
    assert build("grid-mean:grid=2", (3, 8, 8), 10)(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    with pytest.raises(DoesNotFit, match="grid-mean:grid=9 does not fit images of 3x8x8: a grid of 9x9"):
        build("grid-mean:grid=9", (3, 8, 8), 10)


def test_a_default_that_is_not_written_out_is_refused(plugin_folder: Path) -> None:
    (plugin_folder / "architectures").mkdir()
    source = "VERSION = 1\nN = 3\ndef build(shape, classes, *, width: int = N): ...\n"
    (plugin_folder / "architectures" / "odd.py").write_text(source, encoding="utf-8")
    with pytest.raises(Exception, match="default of 'width' must be a literal"):
        canonical("odd:width=3")
