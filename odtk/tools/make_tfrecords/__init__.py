"""Converts annotations to TFRecord shards: the plan of a conversion, its runners, and its report."""

from odtk.tools.make_tfrecords.convert import check_conversion, make_tfrecords
from odtk.tools.make_tfrecords.pets_plan import split_names
from odtk.tools.make_tfrecords.report import ConversionReport

__all__ = ["ConversionReport", "check_conversion", "make_tfrecords", "split_names"]
