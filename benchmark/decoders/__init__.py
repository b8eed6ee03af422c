"""Decoders: registered functions from a set's stored tensors to training images. Code never travels with a set."""

__all__: list[str] = []
