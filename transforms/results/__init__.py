"""What is made of committed runs: exports, the report, the comparison. Everything reads tables as streams."""
