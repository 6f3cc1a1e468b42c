"""``sfu bench speaker``: how well the dominant speaker is found, on labelled traces of audio levels."""
