"""Several server processes for one deployment, over Redis: which process is a meeting's *home*, what of it others are
told, and how requests and sockets of a meeting get to its home. ``docs/redis.md`` is the reference.

Only ``sfu.runtime`` knows this package, and only where ``[redis] url`` is set.
"""
