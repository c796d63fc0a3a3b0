"""HTTP towards vendors: one client, bounded in time and size, and what its answers mean."""
