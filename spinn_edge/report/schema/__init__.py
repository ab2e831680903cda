"""JSON Schema of the documents that commands write, made from the dataclasses behind them."""
