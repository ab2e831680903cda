"""How much a channel matters: the criteria, and what they look at."""
