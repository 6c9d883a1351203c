"""The resources as they arrive from the controlling machine, one type per kind, for mypy alone; they do not travel.

They mirror `hawser.resources` field by field. JSON has lists where a resource has tuples; those of a fixed length are
called tuples here as well, for they are taken apart like these.
"""
