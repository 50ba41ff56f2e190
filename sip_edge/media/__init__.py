"""Sound as values and machines: SDP offer/answer, RTP, RTCP, G.711, telephone-event, jitter.

Sans-IO like `sip`: no socket, no clock, no randomness. Sound travels as frames of 160 bytes of
µ-law (20 ms at 8000 Hz); linear PCM exists only where something must be computed on it.
"""
