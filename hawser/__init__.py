"""Hawser: from bare Linux hosts to a production Python web back end, over SSH, with Fabric."""

__version__ = "0.1.0"
