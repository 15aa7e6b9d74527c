"""What annotates an image: the interface of all face sources, their retries, and the sources but the API."""
