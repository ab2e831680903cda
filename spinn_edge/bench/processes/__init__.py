"""Fresh processes for everything that is compared, and what becomes of them."""
