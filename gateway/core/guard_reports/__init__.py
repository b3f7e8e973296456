"""A guard reports first: what he tells, by any means, and what is made of it."""
