"""Meetings in a database: SQLite in the data folder, or PostgreSQL.

``tables`` says what is kept, ``sql_store`` implements ``sfu.conference.store`` over it, ``writer`` brings there what
running meetings note, over a ``journal`` on disk while the database is away. Nothing imports this package but
``sfu.runtime`` and the command line.
"""
