"""Evaluates a detector on a dataset: metrics of COCO, Pascal VOC and Open Images."""
