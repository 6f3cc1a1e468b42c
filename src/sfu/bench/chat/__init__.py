"""`sfu bench chat`: how long a line takes to everybody in a large meeting."""
