"""A detector and a dataset to metrics: COCO's, Pascal VOC's and Open Images'."""
