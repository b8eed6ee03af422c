"""Augmentations, one file each; see docs/augmentations.md."""
