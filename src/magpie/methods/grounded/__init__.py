"""Methods that ground entities: which region of the picture shows what the text names."""
