"""Types of what travels, for mypy alone: resources and questions one way, messages and answers the other.

These modules themselves are not sent to hosts. Those of resources mirror `hawser.resources` field by field. JSON has
lists where a resource has tuples; those of a fixed length are called tuples here as well, for they are taken apart like
these.
"""
