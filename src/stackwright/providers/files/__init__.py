"""Where the contents of files are kept."""
