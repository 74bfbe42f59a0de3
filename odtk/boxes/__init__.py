"""Box arithmetic as functions of tensors; boxes are normalized yxyx unless the name says otherwise."""
