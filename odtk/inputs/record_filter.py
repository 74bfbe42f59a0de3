"""The two filters of records that cannot be used, which give the same examples."""

from collections.abc import Callable

from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.graph_filter import GraphRecordFilter

RecordFilter = BadRecordFilter | GraphRecordFilter


def new_filter(limit: int, log: Callable[[str], None], is_in_graph: bool) -> RecordFilter | None:
    """Of up to `limit` records (see SkippedRecords); `is_in_graph`: the dataset may run where Python is not.

    None if none may be skipped, and the dataset ends at the first with an error.
    """
    if is_in_graph:
        return GraphRecordFilter(limit, log)
    return BadRecordFilter(limit, log) if limit else None
