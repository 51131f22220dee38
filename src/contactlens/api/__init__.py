"""What `import contactlens` offers beside the readers: models by name, whatever branch they belong to."""
