"""Offers calls to agent workers over WebSocket, in the dialect of Twilio Media Streams."""
