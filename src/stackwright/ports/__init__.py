"""What we ask of vendors: Protocols and values, nothing that runs."""
