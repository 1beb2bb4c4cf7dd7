"""Evaluation of a classifier of slices, on arrays of labels, probabilities and groups.

`metrics`: every metric with its interval. `intervals`: the bootstrap over groups. `calibration`:
from logits to probabilities. `operating_point`: the threshold. `curves`: ROC, precision-recall,
calibration, net benefit. `ranking`: the AUC. `patients`, `series_pooling`: slices pooled.
`subgroups`: by fold or scanner. `compare`: models on the same slices. `dataset_shift`: one model
on two data sets. `deferral`: the abstention band. `predictive_values`: PPV and NPV at a
prevalence. `pointing_game`: heat maps. `inputs` and `metric_kernels` serve these.
"""
