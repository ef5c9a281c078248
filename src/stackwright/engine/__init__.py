"""One turn of the Responses API as a state machine: signals in, events and effects out.

It knows no HTTP, no SQL, no vendor.
"""
