"""The servers that are measured, each a small program that is fast in the way that its own documentation shows.

All of them take the text of their messages as an argument, say `ready PORT`, and obey two commands on standard input:

    publish PER_TICK TICKS INTERVAL_MS    publish so many messages at a time, so often; then say `published`
    collect                               collect all garbage; then say `collected`

A server ends when its standard input does: none can outlive the benchmark.
"""
