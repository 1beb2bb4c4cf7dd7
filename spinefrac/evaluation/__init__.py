"""How good a classifier of slices is, on arrays of labels, probabilities and groups.

`metrics`: every metric with its interval. `intervals`: the bootstrap over groups behind them.
`calibration`: from logits to probabilities. `operating_point`: the threshold. `curves`: ROC,
precision-recall, calibration, net benefit. `patients`: slices pooled. `parts`: by fold or
subgroup. `compare`: models on the same slices. `sample` and `weighted` serve these.
"""
