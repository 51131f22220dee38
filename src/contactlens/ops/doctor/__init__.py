"""What a run would meet here: versions, hardware, cluster, stores, disk, and what the parameters resolve to.

Every examination is a function of the project's folder that gives rows, and runs in a process of its own with a time
limit, so that a dead server or a hung file system costs that limit and no more.
"""

from contactlens.ops.doctor.check import Check, State
from contactlens.ops.doctor.run import diagnose
from contactlens.ops.doctor.table import as_json, as_table

__all__ = ["Check", "State", "as_json", "as_table", "diagnose"]
