"""Networks of other tools: their files, and what they take and return by what they compute."""
