"""What is told to Azure Monitor, where a connection string says so: traces and metrics."""
