"""The commands of `distillbench`, one module for each group of them; benchmark/cli.py lists them."""
