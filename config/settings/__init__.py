"""One module per way of running: base (embedded default), production (servers, TLS in front), test."""
