"""In-memory drivers: the same promises without a wire, for whole days in virtual time."""
