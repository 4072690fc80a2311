"""The config of a project: schema, loading, slices, scaffold."""
