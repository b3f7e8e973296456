"""The HTTP door: alerts in, receipts, orders and events out. Sees only the interfaces."""
