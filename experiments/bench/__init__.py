"""`make bench`: what this server costs, beside others that do the same.

A number of microseconds says something about a machine; a ratio, measured in one run, says something about a server.
So every server here is a process that gets the same readers, the same messages and the same load, one after the other
in a shuffled order, round after round; a ratio is taken within a round, and what is shown is its median over rounds.

    experiments.bench  --lines-->  a server   (peers/: each publishes by itself when it is told to)
                       --lines-->  readers    (readers.py: they count, in a process of their own)

The server's CPU and memory are read from outside, by the system's own counters, for every server in the same way.
"""
