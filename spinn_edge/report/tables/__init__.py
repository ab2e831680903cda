"""Tables of results: what is compared, every latency, machines beside each other; LaTeX and CSV."""
