"""Plans become SQLAlchemy Core statements, compiled to text once per shape."""
