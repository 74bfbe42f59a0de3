"""What a detector computes on its way to the boxes of one picture: maps of features, scores and heat, and anchors."""
