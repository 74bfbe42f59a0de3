"""Annotations to TFRecord shards: the plan of a conversion, who carries it out, and what is reported of it."""

from odtk.tools.make_tfrecords.convert import make_tfrecords
from odtk.tools.make_tfrecords.pets_plan import split_names
from odtk.tools.make_tfrecords.report import ConversionReport

__all__ = ["ConversionReport", "make_tfrecords", "split_names"]
