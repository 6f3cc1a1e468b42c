"""What is measured beside the server: kept figures, and other servers under the same load."""
