"""Tables of labels: of scans, and those of RSNA 2022."""
