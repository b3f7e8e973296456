"""Which alerts go to guards, who lets them go, and what may be said of them where."""
