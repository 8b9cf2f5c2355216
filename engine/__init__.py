"""The runtime of Fieldwright: interprets a release into tables, queries, writes, endpoints and runs."""
