"""PostgreSQL: the embedded server, migrations, and the routes that are held in memory."""
