# 
# Starts a Python program with the path set.

PYTHONPATH=. python $*
