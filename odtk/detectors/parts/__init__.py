"""What several detector families build: resizers, hyperparameters, scores."""
