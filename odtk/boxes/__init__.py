"""Box arithmetic as functions of tensors; boxes are normalised yxyx unless a name says otherwise."""
