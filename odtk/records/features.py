"""Names of an Example's features, as TFOD writes them, for those who read features one by one."""

BOX_SIDES = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))
CLASS_TEXT, CLASS_LABEL = "image/object/class/text", "image/object/class/label"

IMAGE_NAMES = ("image/source_id", "image/filename", "image/key/sha256")
"""What an image may be called by, the best first."""
