"""The engine of dask.distributed: lines to hosts are held by workers near them, and steered from here.

Here work `engine` (which worker holds which line), `cluster` (dask), `station` (one worker), `far` (a line) and `keys`;
on a worker `holder`, `desk` and `held`. `frames` and `route` are what travels, `flow` how much of it at a time.
"""
