"""What learns and predicts: training data from the project, detector and learner, checkpoints, propagation of boxes."""
