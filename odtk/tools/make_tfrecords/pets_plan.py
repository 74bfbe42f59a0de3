"""The Pet layout as TFOD's create_pet_tf_record converts it: its shuffle and split, its file names, its records."""

import random
from dataclasses import dataclass
from pathlib import Path

from odtk import label_map
from odtk.annotations import formats, pets
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.errors import DataError
from odtk.label_map import LabelMap
from odtk.records import example
from odtk.tools.make_tfrecords.plan import Plan, Settings
from odtk.tools.make_tfrecords.report import ImageReport, WrittenRecord

_BASES = {False: "pet_faces_{}.record", True: "pets_fullbody_with_masks_{}.record"}


def make_plan(data_dir: str, settings: Settings) -> Plan:
    """The names in trainval.txt, split as by TFOD. Raises DataError for another layout or classes not in the map."""
    folder = Path(data_dir)
    pets.check_layout(folder, settings.full_body)
    formats.check_pets(folder, settings.label_map)
    names = pets.read_names(folder)
    map_path = label_map.find(settings.label_map or "pet_label_map")
    classes = label_map.read(map_path)
    _check_classes(names, classes, map_path)
    train, val = split_names(names, settings.val_fraction, settings.seed)
    return Plan(
        label_map=map_path.read_bytes(),
        bases={split: _BASES[settings.full_body].format(split) for split in ("train", "val")},
        items={"train": train, "val": val},
        convert=_Converter(folder, classes, settings.full_body, settings.mask_type, settings.strict_tfod),
        listed=sum(map(bool, names)),
        has_tfods_shards=True,
        split_source=f"TFOD's, {settings.val_fraction:g} for val, seed {settings.seed}",
    )


def split_names(names: list[str], val_fraction: float = 0.3, seed: int = 42) -> tuple[list[str], list[str]]:
    """TFOD's shuffle and split: train is the first `int(0.7 * n)` of the names, validation the rest."""
    names = list(names)
    random.Random(seed).shuffle(names)
    # Rounded, so that 1 - val_fraction is the float nearest to its decimal digits.
    num_train = int(round(1 - val_fraction, 12) * len(names))
    return names[:num_train], names[num_train:]


@dataclass(frozen=True)
class _Converter:
    folder: Path
    classes: LabelMap
    full_body: bool
    mask_type: str
    strict_tfod: bool

    def __call__(self, name: str) -> WrittenRecord:
        if not name:
            return WrittenRecord(None)  # a blank line of trainval.txt only occupies a place in the split
        try:
            pet = pets.read(self.folder, name, self.classes, self.full_body, self.strict_tfod)
            self._refuse_maskless(pet)
        except UnusableImage as error:
            return WrittenRecord(None, image=ImageReport(name, skipped=error.problem, is_bad=error.is_bad))
        record = example.encode(pet.image, self.mask_type if self.full_body else None)
        image = ImageReport(
            key=name,
            class_names=tuple(entry.class_name for entry in pet.image.objects),
            fingerprint=pet.fingerprint,
            repaired=(
                *(Problem(str(pet.image_path), None, text, text) for text in filter(None, [pet.repaired])),
                *pet.exchanged,
            ),
            problems=pet.problems,
        )
        return WrittenRecord(record, image.class_names, image)

    def _refuse_maskless(self, pet: pets.PetImage) -> None:
        if self.strict_tfod and self.full_body and self.mask_type == "numerical" and not pet.image.objects:
            text = "it has no masks to write."
            raise UnusableImage(pet.image_path, None, "no object, as in TFOD", text, is_bad=False)


def _check_classes(names: list[str], classes: LabelMap, map_path: Path) -> None:
    found = {class_name for name in names if (class_name := pets.class_of(f"{name}.jpg"))}
    unknown = sorted(name for name in found if classes.id_of(name) is None)
    if unknown:
        raise DataError(
            f"The label map {map_path} has no item named {', '.join(unknown)}, which trainval.txt lists images of. "
            "Add an item for each, or use another label map.",
            argument="label_map",
        )
