"""Whether two forms of a model compute the same, and how good its predictions are."""
