"""The tasks of `fab`: one module a subject, each task a few lines that read like the document it replaces."""
