"""From a folder of slices to a data set: labels, groups, duplicates, folds and model inputs."""
