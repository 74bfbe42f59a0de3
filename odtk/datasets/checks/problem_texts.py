"""What is said of problems that the readers of annotations and records report, by kind: severity, text and fix."""

from typing import NamedTuple

from odtk.annotations.conventions import NORMALISED
from odtk.annotations.data_folder import BY_END, BY_STEM
from odtk.annotations.frames import AMBIGUOUS, NOT_APPLIED, SIZE_DISAGREES
from odtk.annotations.to_record import SCALED
from odtk.findings import ERROR, NOTE, WARNING


class ProblemText(NamedTuple):
    """What to say of a kind of problem; its severity is another in records, which nothing corrects any more."""

    annotated: str  # severity
    recorded: str
    text: str  # with {count}, as a sentence
    fix: str


_AGAIN = "Convert the data again with odtk make-tfrecords, which reports and repairs this."
TEXTS = {
    "inverted box": ProblemText(
        WARNING, ERROR, "Boxes whose maximum is below their minimum: {count}.",
        "Look whether these are the right boxes: make-tfrecords exchanges the corners. In records they spoil the loss.",
    ),
    "empty box": ProblemText(
        WARNING, WARNING, "Boxes without an area: {count}.",
        "Draw these boxes again, or take them out. In records they are matched by force and teach noise.",
    ),
    "NaN in a box": ProblemText(
        WARNING, WARNING, "Boxes with a coordinate that is no number: {count}.",
        "Correct the annotation. Training leaves these boxes out, and learns the object as background.",
    ),
    "box outside the image": ProblemText(
        WARNING, WARNING, "Boxes that reach beyond the image: {count}.",
        "Look whether annotation and image belong together, and whether the image was resized or turned since.",
    ),
    "box in pixels": ProblemText(
        ERROR, ERROR, "Boxes in records that were not normalised: {count}.",
        "Divide by the image's width and height (0 to 1) when writing records, or use odtk make-tfrecords.",
    ),
    SIZE_DISAGREES: ProblemText(
        WARNING, WARNING, "Images of another size than their annotation or record says: {count}.",
        "Annotate the images as they are, or put back those that were annotated.",
    ),
    "EXIF orientation": ProblemText(
        WARNING, WARNING, "Record images with an EXIF orientation, which training does not apply: {count}.",
        f"If the boxes were drawn on the turned image they are wrong. {_AGAIN}",
    ),
    "boxes of the turned image": ProblemText(
        ERROR, ERROR, "Record images that lie on their side, with boxes of the upright image: {count}.", _AGAIN,
    ),
    AMBIGUOUS: ProblemText(
        WARNING, WARNING, "Images that make-tfrecords turns, though nothing tells how they were annotated: {count}.",
        "Look at them with odtk view. If their boxes are wrong: odtk make-tfrecords ... --exif ignore",
    ),
    NORMALISED: ProblemText(
        NOTE, NOTE, "Boxes in 0 to 1, where the format has pixels, are taken as parts of the sides.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    SCALED: ProblemText(
        NOTE, NOTE, "Images of which make-tfrecords scales the bits that are used to 8: {count}.",
        "Nothing to do, if they look right on the page.",
    ),
    NOT_APPLIED: ProblemText(
        NOTE, NOTE, "Images annotated as stored, their EXIF orientation left aside: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "flag not understood": ProblemText(
        NOTE, NOTE, "Flags that are neither 0 nor 1, taken as 0, once for an image: {count}.",
        "Nothing to do, unless the objects really are truncated, difficult or a crowd.",
    ),
    "flag that is a fraction": ProblemText(
        NOTE, NOTE, "Flags that are fractions, as in KITTI, taken as 1, once for an image: {count}.",
        "Nothing to do, unless difficult objects are left out and fewer of them should be.",
    ),
    "rotated box made upright": ProblemText(
        NOTE, NOTE, "Rotated boxes, of which the upright box around them is used: {count}.",
        "Nothing to do, if the boxes look right on the page: an upright box is what these models learn.",
    ),
    "outline made a box": ProblemText(
        NOTE, NOTE, "Outlines without a box, of which the box around them is used: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "Pet layout read as VOC": ProblemText(
        NOTE, NOTE, "The layout is that of pets, the classes are those of the xml.",
        "Nothing to do, if the classes are right. For classes from file names give the format pets and a label map.",
    ),
    "file set aside": ProblemText(
        WARNING, WARNING, "Files that are left out, with all their images: {count}.",
        "Annotate these images, or remove the file; an image without objects needs an empty list of annotations.",
    ),
    "file without annotations": ProblemText(
        WARNING, WARNING, "Files of which no image has an annotation: {count}.",
        "Right, if nothing is on these images; otherwise annotate them, or remove the file.",
    ),
    "image listed twice": ProblemText(
        NOTE, NOTE, "Files that list images again, which are one image with all annotations: {count}.",
        "Nothing to do, unless an image was meant to be in one split alone: it is in the first, training's.",
    ),
    f"image found {BY_END}": ProblemText(
        NOTE, NOTE, "Images are found by the ends of their paths, whose beginnings are not here.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    f"image found {BY_STEM}": ProblemText(
        NOTE, NOTE, "Images are found by their names without the suffix.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "linked folder": ProblemText(
        NOTE, NOTE, "Links to folders, whose files are read as part of the data set: {count}.",
        "Nothing to do, if they belong to it.",
    ),
    "path is elsewhere": ProblemText(
        NOTE, NOTE, "The path in data.yaml is not here; the file's own folder stands for it.",
        "Nothing to do, if each split has the right images.",
    ),
    "split found by the end of the path": ProblemText(
        NOTE, NOTE, "Splits that are found by the ends of their paths: {count}.",
        "Nothing to do, if each split has the right images.",
    ),
    "split is not there": ProblemText(
        NOTE, NOTE, "Splits that data.yaml names and that are not there: {count}.",
        "Nothing to do, unless they should be.",
    ),
    "YAML tag dropped": ProblemText(
        NOTE, NOTE, "Tags in data.yaml that are dropped: {count}.",
        "Nothing to do, if the names of the classes are right.",
    ),
    "list passed over": ProblemText(
        NOTE, NOTE, "Lists that name nothing of what is here: {count}.",
        "Nothing to do, if they came with other data; otherwise write into them what these images are called.",
    ),
    "class without boxes": ProblemText(
        NOTE, NOTE, "Classes that no row has a box of, taken for the word for no object: {count}.",
        "Nothing to do, unless their boxes are missing.",
    ),
    "categories numbered otherwise": ProblemText(
        NOTE, NOTE, "Files that number the categories in their own way, by which each is read: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "one name for several classes": ProblemText(
        NOTE, NOTE, "Names that several ids have, which are one class: {count}.",
        "Nothing to do, unless these are different things: then give each a name of its own.",
    ),
    "table without a header": ProblemText(
        NOTE, NOTE, "Tables without a header, whose columns are taken for those of a tool: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "table left aside": ProblemText(
        WARNING, WARNING, "Tables that are left aside, with all their rows: {count}.",
        "Name the split in the table's file name (train, val or test), or move it away.",
    ),
    "images in no annotation": ProblemText(
        WARNING, WARNING, "Images that no annotation names are left out.",
        "Annotate them, or move them away; an image without objects has to be named, too.",
    ),
    "image that TensorFlow cannot decode": ProblemText(
        ERROR, ERROR, "Record images in a format that TensorFlow cannot decode: {count}.", _AGAIN,
    ),
    "image/key/sha256 disagrees": ProblemText(
        WARNING, WARNING, "Records whose image is not the one that its image/key/sha256 was made of: {count}.",
        "Find out what changed the images since the records were written.",
    ),
}  # fmt: skip


def of(kind: str) -> ProblemText:
    """The text for a kind; a kind that is not in the table is named, and is a warning."""
    default = ProblemText(WARNING, WARNING, f"{kind[:1].upper()}{kind[1:]}: {{count}}.", "Look at the files named.")
    return TEXTS.get(kind, default)
