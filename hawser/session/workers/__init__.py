"""The engine of dask.distributed: lines to hosts are held by workers near them, and steered from here.

`engine`, `station`, `far` and `keys` work here, `holder` and `held` on a worker; `frames` and `route` are what travels.
"""
