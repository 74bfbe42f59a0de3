"""The pipelines that odtk ships: use, size and speed of each, read from its text."""

import re
from dataclasses import dataclass

from odtk import pipeline, resources
from odtk.detectors import families
from odtk.errors import ConfigError

# Lines of the comment at the top of a shipped pipeline; everything else is derived from its fields.
_FACT = re.compile(r"^# (Use|Speed|Weights): (.+)$", re.MULTILINE)
_WEIGHTS = re.compile(r"([\d.]+) million")


@dataclass(frozen=True)
class ShippedPipeline:
    """A pipeline's name, and facts for choosing one."""

    name: str
    use: str
    speed: str
    model: str
    million_weights: float
    image_size: tuple[int, int]  # height, width
    batch_size: int
    num_steps: int
    path: str


def shipped_pipelines() -> list[ShippedPipeline]:
    """All of them, the smallest first. Raises ConfigError if the comment at the top of one lacks a fact."""
    found = [_describe(name, str(path)) for name, path in resources.shipped_files("pipelines", ".config").items()]
    return sorted(found, key=lambda each: (each.image_size, each.million_weights))


def _describe(name: str, path: str) -> ShippedPipeline:
    text = pipeline.read_text(path)
    config, facts = pipeline.parse(text, path), dict(_FACT.findall(text.partition("\nmodel")[0]))
    weights = _WEIGHTS.match(facts.get("Weights", ""))
    if not weights or not {"Use", "Speed"} <= facts.keys():
        raise ConfigError(f"{path} lacks a line `# Use: ...`, `# Speed: ...` or `# Weights: ... million` in its head.")
    sides = list(families.of(config).fixed_sides(config.model).values())
    return ShippedPipeline(
        name=name,
        use=facts["Use"],
        speed=facts["Speed"],
        model=families.type_of(config.model),
        million_weights=float(weights[1]),
        image_size=(sides[0], sides[-1]),
        batch_size=config.train_config.batch_size,
        num_steps=config.train_config.num_steps,
        path=path,
    )
