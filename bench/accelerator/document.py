"""What was measured, as a JSON file that grows by each part, and as a table."""

import json
import re
from pathlib import Path

from bench.accelerator.losses_compared import largest_difference
from bench.table import Figure, table
from odtk.atomic import atomic_file

HERE = Path(__file__).resolve().parents[1]
AGREEMENT = 1e-3
"""Of losses in float32 with the CPU's, relative."""


def write(document: dict, out: Path | None) -> Path:
    """Writes the document, whole or not at all: to a file, into a folder, or beside this package."""
    if out is None or out.is_dir():
        out = (out or HERE) / f"accelerator-{_device_name(document)}.json"
    with atomic_file(out) as part:
        part.write_text(json.dumps(document, indent=1) + "\n")
    return out


def _device_name(document: dict) -> str:
    facts = document["parts"].get("device", {}).get("figures", {})
    name = "unknown" if not facts else (facts["model"] or "gpu") if facts["kind"] != "cpu" else "cpu"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ("-small" if document["small"] else "")


def printed(document: dict) -> str:
    """The table, with a line for each part that failed or was left out."""
    rows, rest = [], []
    for name, part in document["parts"].items():
        if part["status"] == "measured":
            rows += _rows(name, part["figures"], document)
        else:
            rest.append(f"{name}: {part['status']}: {part.get('error', '')}".rstrip(": ")[:300])
    return "\n".join([table(rows), *rest])


def _rows(name: str, figures: dict, document: dict) -> list[Figure]:
    kind = name.partition(":")[0]
    return _KINDS.get(kind, lambda *_: [])(name, figures, document)


def _losses(name: str, figures: dict, document: dict) -> list[Figure]:
    reference = document["parts"].get("losses: float32, on the CPU", {}).get("figures")
    own = figures["losses"]["Loss/total_loss"][-1]
    if reference is None or reference is figures:
        return [Figure(name, own, "total loss", "after three steps", None)]
    off = largest_difference(figures["losses"], reference["losses"])
    beside = f"CPU {reference['losses']['Loss/total_loss'][-1]:.6g}; differs by at most {off:.1e}"
    if figures["precision"] != "float32":
        return [Figure(name, own, f"total loss ({figures['precision']})", beside, None)]
    return [Figure(name, own, "total loss", beside, None, f"<= {AGREEMENT:.0e}", off <= AGREEMENT)]


def _training(name: str, figures: dict, document: dict) -> list[Figure]:
    words = f"training {figures['side']}x{figures['side']}, batch {figures['batch']}, {figures['precision']}"
    words += {None: "", True: " with TF32", False: " without TF32"}[figures["tf32"]]
    words += ", XLA" if figures.get("xla") else ""
    if "ratio" not in figures:
        beside = _of_the_same(figures, document)
        return [
            Figure(
                f"{words}, with its input{'' if figures['ahead'] else ', copied in the step'}",
                figures["images_per_second"],
                "images/s",
                beside,
                None,
            )
        ]
    beside = f"network's two passes {figures['network_images_per_second']:.4g}"
    rows = [Figure(words, figures["images_per_second"], "images/s", beside, figures["ratio"])]
    if figures["peak_bytes"]:
        rows.append(Figure("  peak memory", figures["peak_bytes"] / 2**30, "GiB", "of the loop alone", None))
    return rows


def _of_the_same(figures: dict, document: dict) -> str:
    """The rate without input, and the input's alone."""
    parts = document["parts"].values()
    same = ("side", "batch", "precision")
    alone = next((p["figures"] for p in parts if _is_training(p, figures, same)), None)
    rates = document["parts"].get("input", {}).get("figures", {})
    said = [f"from memory {alone['images_per_second']:.4g}"] if alone else []
    if str(figures["side"]) in rates:
        said.append(f"input alone {rates[str(figures['side'])]['images_per_second']:.4g}")
    return "; ".join(said)


def _is_training(part: dict, like: dict, same: tuple[str, ...]) -> bool:
    found = part.get("figures", {})
    return "ratio" in found and not found["xla"] and all(found[key] == like[key] for key in same)


def _input(name: str, figures: dict, document: dict) -> list[Figure]:
    cores = figures["cores"]
    return [
        Figure(f"input, to {side}x{side}", found["images_per_second"], "images/s",
               f"{found['images_per_second'] / cores:.4g} per core of {cores}", None)
        for side, found in figures.items() if isinstance(found, dict)
    ]  # fmt: skip


def _serving(name: str, figures: dict, document: dict) -> list[Figure]:
    many = figures["many_images"]["images_per_second"]
    words = f"SavedModel {figures['side']}x{figures['side']}, {figures['precision']}"
    return [
        Figure(words, figures["latency_milliseconds"], "ms", f"batch {figures['batch']}: {many:.4g} images/s", None)
    ]


def _largest(name: str, figures: dict, document: dict) -> list[Figure]:
    words = f"largest batch, {figures['side']}x{figures['side']}, {figures['precision']}"
    return [Figure(words, figures["batch"], "images", figures["said"], None)]


_KINDS = {
    "losses": _losses,
    "training": _training,
    "training on the input pipeline": _training,
    "input": _input,
    "SavedModel": _serving,
    "largest batch": _largest,
}
