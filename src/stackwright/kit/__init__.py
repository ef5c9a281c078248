"""Values without a domain: pages, JSON codecs, text; and work that goes on beside the requests."""
