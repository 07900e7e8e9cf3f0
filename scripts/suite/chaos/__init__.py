"""Injects faults into services and servers while they work on one batch, and counts what was lost or counted twice.

The same simulated judge judges the same batch twice: once without faults, once while services are killed and paused,
their clocks stepped, PostgreSQL killed, the broker frozen and killed. Nothing may be lost, nothing counted twice, and
both rankings must be equal. For each kind of fault it reports how long it took until another comparison was judged.
"""
