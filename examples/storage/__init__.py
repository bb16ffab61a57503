"""Full-text tables of passages of text, in SQLite or in PostgreSQL."""
