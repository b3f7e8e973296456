"""Whether the site would work now: drills, roll-calls, cover, self-tests, bulletins."""
