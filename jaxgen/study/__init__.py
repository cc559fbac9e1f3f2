"""Studies: a set of runs, each a process of its own, done one after the other and resumed after anything."""
