"""Severity, text and fix of each kind of problem that the readers of annotations and records report."""

from typing import NamedTuple

from odtk.annotations.conventions import NORMALIZED
from odtk.annotations.data_folder import BY_END, BY_STEM
from odtk.annotations.frames import AMBIGUOUS, NOT_APPLIED, SIZE_DISAGREES
from odtk.annotations.to_record import SCALED
from odtk.errors import Option
from odtk.findings import ERROR, NOTE, WARNING


class ProblemText(NamedTuple):
    """The text for a kind of problem; in records its severity may differ, because nothing corrects them anymore."""

    annotated: str  # severity
    recorded: str
    text: str  # with {count}, as a sentence
    fix: str
    options: tuple[Option, ...] = ()


_AGAIN = "Convert the data again with odtk make-tfrecords, which reports and repairs this."
TEXTS = {
    "inverted box": ProblemText(
        WARNING, ERROR, "Boxes whose maximum is below their minimum: {count}.",
        "Check that these are the right boxes: make-tfrecords swaps the corners. In records they make the loss wrong.",
    ),
    "empty box": ProblemText(
        WARNING, WARNING, "Boxes without an area: {count}.",
        "Draw these boxes again, or remove them. In records they are matched by force and train on noise.",
    ),
    "NaN in a box": ProblemText(
        WARNING, WARNING, "Boxes with a coordinate that is not a number: {count}.",
        "Correct the annotation. Training skips these boxes and learns the objects as background.",
    ),
    "box outside the image": ProblemText(
        WARNING, WARNING, "Boxes that extend beyond the image: {count}.",
        "Check that annotation and image belong together, and that the image was not resized or rotated since.",
    ),
    "box in pixels": ProblemText(
        ERROR, ERROR, "Boxes in records that were not normalized: {count}.",
        "Divide by the image's width and height (0 to 1) when writing records, or use odtk make-tfrecords.",
    ),
    SIZE_DISAGREES: ProblemText(
        WARNING, WARNING, "Images whose size is not the one in their annotation or record: {count}.",
        "Annotate the images as they are, or restore the images that were annotated.",
    ),
    "EXIF orientation": ProblemText(
        WARNING, WARNING, "Record images with an EXIF orientation, which training does not apply: {count}.",
        f"If the boxes were drawn on the rotated image, they are wrong. {_AGAIN}",
    ),
    "boxes of the turned image": ProblemText(
        ERROR, ERROR, "Record images that are stored on their side, with boxes of the upright image: {count}.", _AGAIN,
    ),
    AMBIGUOUS: ProblemText(
        WARNING, WARNING, "Images that make-tfrecords rotates without knowing how they were annotated: {count}.",
        "Look at them with odtk view. If their boxes are wrong: odtk make-tfrecords ... --exif ignore",
        (Option("make-tfrecords", "--exif", "ignore"),),
    ),
    NORMALIZED: ProblemText(
        NOTE, NOTE, "Boxes from 0 to 1, in a format that has pixels, are read as normalized.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    SCALED: ProblemText(
        NOTE, NOTE, "Images that use only part of their bits, which make-tfrecords scales to 8: {count}.",
        "Nothing to do, if they look right on the page.",
    ),
    NOT_APPLIED: ProblemText(
        NOTE, NOTE, "Images annotated as stored, whose EXIF orientation is not applied: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "flag not understood": ProblemText(
        NOTE, NOTE, "Flags that are neither 0 nor 1, read as 0 (counted once per image): {count}.",
        "Nothing to do, unless the objects really are truncated, difficult or a crowd.",
    ),
    "flag that is a fraction": ProblemText(
        NOTE, NOTE, "Flags that are fractions, as in KITTI, read as 1 (counted once per image): {count}.",
        "Nothing to do, unless difficult objects are skipped and fewer of them should be.",
    ),
    "rotated box made upright": ProblemText(
        NOTE, NOTE, "Rotated boxes, which are replaced by the upright boxes around them: {count}.",
        "Nothing to do, if the boxes look right on the page: an upright box is what these models learn.",
    ),
    "outline made a box": ProblemText(
        NOTE, NOTE, "Outlines without a box, which are replaced by the boxes around them: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "Pet layout read as VOC": ProblemText(
        NOTE, NOTE, "The layout is that of the Pet dataset, the classes are those of the xml files.",
        "Nothing to do, if the classes are right. For classes from file names give the format pets and a label map.",
        (Option("inspect", "--format", "pets"),),
    ),
    "file set aside": ProblemText(
        WARNING, WARNING, "Files that are skipped, with all their images: {count}.",
        "Annotate these images, or remove the files; an image without objects needs an empty list of annotations.",
    ),
    "file without annotations": ProblemText(
        WARNING, WARNING, "Files in which no image has an annotation: {count}.",
        "Correct if these images show no objects; otherwise annotate them, or remove the files.",
    ),
    "image listed twice": ProblemText(
        NOTE, NOTE, "Files that list an image again; it becomes one image with all annotations: {count}.",
        "Nothing to do, unless an image was meant for another split: it is in the first, usually train.",
    ),
    f"image found {BY_END}": ProblemText(
        NOTE, NOTE, "Images are found by the ends of their paths, because the beginnings do not exist here.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    f"image found {BY_STEM}": ProblemText(
        NOTE, NOTE, "Images are found by their names without the suffix.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "linked folder": ProblemText(
        NOTE, NOTE, "Links to folders, whose files are read as part of the dataset: {count}.",
        "Nothing to do, if they belong to it.",
    ),
    "path is elsewhere": ProblemText(
        NOTE, NOTE, "The path in data.yaml does not exist; the file's own folder is used instead.",
        "Nothing to do, if each split has the right images.",
    ),
    "split found by the end of the path": ProblemText(
        NOTE, NOTE, "Splits that are found by the ends of their paths: {count}.",
        "Nothing to do, if each split has the right images.",
    ),
    "split does not exist": ProblemText(
        NOTE, NOTE, "Splits in data.yaml that do not exist: {count}.",
        "Nothing to do, unless they should exist.",
    ),
    "YAML tag ignored": ProblemText(
        NOTE, NOTE, "Tags in data.yaml that are ignored: {count}.",
        "Nothing to do, if the names of the classes are right.",
    ),
    "list ignored": ProblemText(
        NOTE, NOTE, "Lists in which no image of this dataset is named: {count}.",
        "Nothing to do, if they belong to other data; otherwise list the names of these images in them.",
    ),
    "class without boxes": ProblemText(
        NOTE, NOTE, "Classes without any box, read as the word for images without objects: {count}.",
        "Nothing to do, unless their boxes are missing.",
    ),
    "categories numbered differently": ProblemText(
        NOTE, NOTE, "Files that number the categories differently; each is read by its own numbers: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "one name for several classes": ProblemText(
        NOTE, NOTE, "Names that several ids share; they become one class: {count}.",
        "Nothing to do, unless these are different classes: then give each its own name.",
    ),
    "table without a header": ProblemText(
        NOTE, NOTE, "Tables without a header, whose columns are read as those of a known tool: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "table ignored": ProblemText(
        WARNING, WARNING, "Tables that are skipped, with all their rows: {count}.",
        "Put the split (train, val or test) in the table's file name, or move the table away.",
    ),
    "images in no annotation": ProblemText(
        WARNING, WARNING, "Images that no annotation names are skipped.",
        "Annotate them, or move them away; images without objects have to be listed too.",
    ),
    "image that TensorFlow cannot decode": ProblemText(
        ERROR, ERROR, "Record images in a format that TensorFlow cannot decode: {count}.", _AGAIN,
    ),
    "image/key/sha256 disagrees": ProblemText(
        WARNING, WARNING, "Records whose image/key/sha256 is not that of their image: {count}.",
        "Find out what changed the images since the records were written.",
    ),
}  # fmt: skip


def of(kind: str) -> ProblemText:
    """The text for a kind of problem; one that is not in the table is a warning with its name."""
    default = ProblemText(WARNING, WARNING, f"{kind[:1].upper()}{kind[1:]}: {{count}}.", "Look at the listed files.")
    return TEXTS.get(kind, default)
