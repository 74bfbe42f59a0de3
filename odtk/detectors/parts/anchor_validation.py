"""Findings about anchor generators. See odtk.detectors.parts.validation. No TensorFlow."""

import math
from collections.abc import Iterator

from odtk.boxes.ssd_shapes import FINEST_RATIOS
from odtk.detectors.parts.validation import error, warning
from odtk.findings import Finding

# Anchors at a cell of the finest map if an ssd_anchor_generator lays few there.
FEW = 1 + len(FINEST_RATIOS)


def multiscale_anchors(grid, path: str, finest: int, coarsest: int) -> Iterator[Finding]:
    """A multiscale_anchor_generator, for a network with one feature map per level from `finest` to `coarsest`."""
    count, of_the_model = coarsest - finest + 1, ((f"{path}.min_level", finest), (f"{path}.max_level", coarsest))
    levels = grid.max_level - grid.min_level + 1
    if levels != count:
        of_max = f"min_level + {count - 1}" if count > 1 else "min_level"
        text = (
            f"is {grid.max_level}: with levels {grid.min_level} to {grid.max_level} there are {max(levels, 0)} sets of "
            f"anchors for the {_maps(count)} that this network has, so max_level must be {of_max}."
        )
        yield error(f"{path}.max_level", text, *of_the_model)
    elif grid.min_level != finest:
        text = (
            f"is {grid.min_level}, while the model's finest feature map is level {finest}: anchors are laid out with "
            f"level {grid.min_level}'s stride on it (as in TFOD)."
        )
        yield warning(f"{path}.min_level", text, *of_the_model)
    for name, usual in (("anchor_scale", 4.0), ("scales_per_octave", 2)):
        if getattr(grid, name) <= 0:
            yield error(f"{path}.{name}", f"is {getattr(grid, name):g}, not above 0.", (f"{path}.{name}", usual))
    if not grid.aspect_ratios or min(grid.aspect_ratios) <= 0:
        field = f"{path}.aspect_ratios"
        yield error(field, "needs at least one ratio, each above 0.", (field, "[1.0, 2.0, 0.5]"))


def ssd_anchors(grid, path: str, num_maps: int) -> Iterator[Finding]:
    """An ssd_anchor_generator, for a network with `num_maps` feature maps."""
    yield from _sets(grid, path, num_maps)
    yield from _positive(grid, path)
    yield from _shapes(grid, path)
    for kind in ("stride", "offset"):
        yield from _pixels(grid, path, kind, num_maps)


def flexible_anchors(grids, path: str, finest: int, coarsest: int, shared: bool) -> Iterator[Finding]:
    """A flexible_grid_anchor_generator, for a network with one feature map per level from `finest` to `coarsest`.

    `shared`: all maps share heads. As what was meant is not known, the edits choose anchors that fit any such network.
    """
    parent, num_maps = f"{path.rpartition('.')[0]}.multiscale_anchor_generator", coarsest - finest + 1
    levels = ((f"{parent}.min_level", finest), (f"{parent}.max_level", coarsest))
    edits = (*levels, (f"{parent}.aspect_ratios", "[1.0, 2.0, 0.5]"))
    if len(grids.anchor_grid) != num_maps:
        text = f"has {len(grids.anchor_grid)} entries for the {_maps(num_maps)} of this network: it takes one for each."
        yield error(f"{path}.anchor_grid", text, *edits)
    counts = [len(grid.base_sizes) for grid in grids.anchor_grid]
    if shared and len(set(counts)) > 1:
        text = (
            f"has {', '.join(map(str, counts))} anchors at a cell, by map, while all maps share the heads of a "
            "weight_shared_convolutional_box_predictor; TFOD refuses that."
        )
        yield error(f"{path}.anchor_grid", text, *edits)
    for index, grid in enumerate(grids.anchor_grid):
        for name, text in _of_grid(grid):
            yield error(f"{path}.anchor_grid[{index}]{name}", text, *edits)


def _of_grid(grid) -> Iterator[tuple[str, str]]:
    """What is wrong with one map's anchors: where, below the grid, and the text."""
    sizes, ratios = list(grid.base_sizes), list(grid.aspect_ratios)
    if not sizes or len(sizes) != len(ratios):
        yield (
            "",
            f"has {len(sizes)} base_sizes and {len(ratios)} aspect_ratios; each anchor at a cell has one of both.",
        )
    for name, values in (("base_sizes", sizes), ("aspect_ratios", ratios)):
        if any(not 0 < value < math.inf for value in values):
            yield f".{name}", "needs numbers above 0."
    for name in ("height_stride", "width_stride"):
        if getattr(grid, name) < 1:
            yield f".{name}", "is 0; a stride is at least 1 pixel, or all anchors lie at one place."


def alike_on_all_maps(grid, path: str) -> Iterator[Finding]:
    """An ssd_anchor_generator, for heads that all maps share."""
    others = len(grid.aspect_ratios) + (grid.interpolated_scale_aspect_ratio > 0)
    if grid.reduce_boxes_in_lowest_layer and grid.num_layers > 1 and others != FEW:
        field = f"{path}.reduce_boxes_in_lowest_layer"
        text = (
            f"is true: the finest map has {FEW} anchors at a cell and the others {others}, while all maps share the "
            "heads of a weight_shared_convolutional_box_predictor; TFOD refuses that."
        )
        yield error(field, text, (field, "false"))


def _sets(grid, path: str, num_maps: int) -> Iterator[Finding]:
    sets = min(grid.num_layers, len(grid.scales)) if grid.scales else grid.num_layers
    is_few = 0 < len(grid.scales) < num_maps
    edits = [(f"{path}.num_layers", num_maps)] + [(f"{path}.scales", "")] * is_few
    if sets != num_maps:
        field = "scales" if is_few and grid.num_layers >= num_maps else "num_layers"
        value = f"has {len(grid.scales)} values" if field == "scales" else f"is {grid.num_layers}"
        text = (
            f"{value}: there are {max(sets, 0)} sets of anchors for the {_maps(num_maps)} that this network has, which "
            "takes a set for each."
        )
        yield error(f"{path}.{field}", text, *edits)
    if num_maps == 1 and not grid.scales:
        text = (
            f"is {num_maps}, where TFOD cannot lay scales between min_scale and max_scale, and fails; give the scale."
        )
        yield error(f"{path}.num_layers", text, (f"{path}.scales", f"[{grid.min_scale:g}]"))


def _positive(grid, path: str) -> Iterator[Finding]:
    usual = {"min_scale": 0.2, "max_scale": 0.95, "base_anchor_height": 1.0, "base_anchor_width": 1.0}
    for name in usual if not grid.scales else ("base_anchor_height", "base_anchor_width"):
        if not 0 < getattr(grid, name) < math.inf:
            yield error(f"{path}.{name}", f"is {getattr(grid, name):g}, not above 0.", (f"{path}.{name}", usual[name]))
    if grid.scales and not 0 < min(grid.scales) <= max(grid.scales) < math.inf:
        field = f"{path}.scales"
        yield error(field, "needs numbers above 0.", (field, ""))
    elif not grid.scales and grid.min_scale > grid.max_scale > 0:
        field = f"{path}.min_scale"
        text = f"is {grid.min_scale:g}, above max_scale {grid.max_scale:g}: the finest map gets the largest anchors."
        yield warning(field, text, (field, 0.2), (f"{path}.max_scale", 0.95))


def _shapes(grid, path: str) -> Iterator[Finding]:
    field, ratio = f"{path}.aspect_ratios", grid.interpolated_scale_aspect_ratio
    if any(not 0 < each < math.inf for each in grid.aspect_ratios):
        yield error(field, "needs numbers above 0.", (field, "[1.0, 2.0, 0.5]"))
    only_finest = grid.num_layers == 1 and grid.reduce_boxes_in_lowest_layer
    if not grid.aspect_ratios and not ratio > 0 and not only_finest:
        text = "is empty, and interpolated_scale_aspect_ratio is 0: there are no anchors."
        yield error(field, text, (field, "[1.0, 2.0, 0.5]"))
    if not ratio < math.inf or ratio < 0:
        field = f"{path}.interpolated_scale_aspect_ratio"
        yield error(field, f"is {ratio:g}; it is a ratio, or 0 for no such anchor.", (field, 1.0))


def _pixels(grid, path: str, kind: str, num_maps: int) -> Iterator[Finding]:
    """Strides or offsets, which are all given or none."""
    rows, columns = getattr(grid, f"height_{kind}"), getattr(grid, f"width_{kind}")
    removed = tuple((f"{path}.{side}_{kind}", "") for side in ("height", "width"))
    if columns and not rows:
        field = f"{path}.width_{kind}"
        yield warning(field, f"is set without height_{kind}, and TFOD ignores it then, as odtk does.", *removed)
    elif rows and not len(rows) == len(columns) == num_maps:
        text = (
            f"has {len(rows)} values and width_{kind} {len(columns)}: there has to be one of each for the "
            f"{_maps(num_maps)} of this network, or none at all."
        )
        yield error(f"{path}.height_{kind}", text, *removed)
    elif kind == "stride" and rows and min(*rows, *columns) < 1:
        yield error(f"{path}.height_{kind}", "and width_stride need pixels, at least 1.", *removed)


def _maps(count: int) -> str:
    return "one feature map" if count == 1 else f"{count} feature maps"
