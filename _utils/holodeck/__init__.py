"""The pure core: data in, data out; no files, processes, sockets, clock or Salt."""
