"""What the data is: landmarks, values, error codes, tables. Standard library, numpy and pyarrow only."""
