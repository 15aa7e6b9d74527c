"""Define landmarks, values, error codes and tables. Imports only the standard library, numpy and pyarrow."""
