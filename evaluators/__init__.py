"""Evaluators: plug-ins that plan what must be trained and say what the outcomes mean."""

__all__: list[str] = []
