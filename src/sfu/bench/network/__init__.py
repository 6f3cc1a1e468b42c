"""``sfu bench network``: the real control plane and packet path against simulated networks, in virtual time."""
