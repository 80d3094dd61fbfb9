"""What a traced round does that a measured one does not. Runs in its twin and its worker."""
