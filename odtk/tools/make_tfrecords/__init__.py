"""Annotations to TFRecord shards: the plan of a conversion, its runners, and its report."""

from odtk.tools.make_tfrecords.convert import make_tfrecords
from odtk.tools.make_tfrecords.pets_plan import split_names
from odtk.tools.make_tfrecords.report import Report

__all__ = ["Report", "make_tfrecords", "split_names"]
