"""A tenant's published version: the model with its identities and physical names."""
