"""Parts that several detector families use: anchors, matchers, losses, resizers, hyperparameters, scores."""
