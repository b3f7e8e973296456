"""Who is called for an order, over what, and what follows when nobody answers."""
