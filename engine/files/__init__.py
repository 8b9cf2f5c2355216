"""Files of records: uploads, what they hold, downloads, pictures in small, and the collection of what is unused."""
