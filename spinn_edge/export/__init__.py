"""Writing a model in every format, and proving each one before it is called done."""
