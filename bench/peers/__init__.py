"""Other servers under the load of ``sfu bench``: an adapter for each, and ``python -m bench.peers``.

An adapter starts a server that somebody else wrote, with a configuration of ours, and speaks its signaling. None of the
servers' own code is here.
"""
