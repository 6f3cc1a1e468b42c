"""Alembic's environment: ``env.py`` runs the scripts of ``versions`` over a connection that ``migrate`` gives it."""
