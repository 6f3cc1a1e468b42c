"""``sfu bench``: what a server costs and how it behaves under load, measured by real WebRTC clients on the wire.

Scenarios and reports are here, in Python; the clients' hot loops are ``crates/loadgen``. The server under test is
spoken to by WHIP and WHEP, in ``mesh`` by our own signaling. The rest of the package knows nothing of this one.
"""
