"""The centre's messages in any order of arrival, and the orders they open."""
