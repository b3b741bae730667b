"""What rtdecode reaches, measured beside a floor, a peer or a published number."""
