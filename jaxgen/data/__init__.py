"""Image sets, one module per source, and the order in which training visits them."""
