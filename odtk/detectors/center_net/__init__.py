"""CenterNet: objects as points of a heat map. Boxes only."""
