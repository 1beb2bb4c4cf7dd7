"""Train and serve CNNs that classify spinal CT slices as fracture / no fracture."""
