"""Use cases over time: snapshots, branches, merging, rolling back and collecting what nobody can reach."""
