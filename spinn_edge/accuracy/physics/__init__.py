"""Derivatives, residuals and slopes through every deployed form."""
