"""SIP and RTP sockets: drives the sans-IO cores in `sip` and `media` with the loop's clock."""
