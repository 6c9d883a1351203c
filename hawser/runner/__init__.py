"""The program that runs on a host: it checks resources, applies the differences, and reports events.

Standard library only, Python 3.8 and later. It arrives over standard input (see `hawser.ssh.wire`), runs with the
system's ``python3``, and leaves nothing behind but its state folder.
"""
