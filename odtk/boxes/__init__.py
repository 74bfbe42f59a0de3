"""Box arithmetic as functions of tensors; boxes are normalised yxyx unless the name says otherwise."""
