"""Values without a domain: pages, JSON codecs, text."""
