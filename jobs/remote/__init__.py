"""Events and lakes on object storage: mirrored in a working place, published whole. See `jobs.remote.reach`."""
