"""Engines with a fault each; the kind ``planted`` of a package that the tests install, named as ``planted:FAULT``."""

import os
import signal
import sys
import time

import numpy as np

from goldpan.core.records import Neighbors
from goldpan.search.engines.flat import Flat
from goldpan.search.engines.spec import EngineSpec


class Planted(Flat):
    def __init__(self, spec, dim, metric, threads, seed):
        super().__init__(EngineSpec("flat", "", {}), dim, metric, threads, seed)
        self.fault, self.first = spec.name, None

    def build(self, base, ids=None):
        if self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "hungry":
            np.ones(1 << 30)
        super().build(base, ids)

    def save(self, folder):
        if self.fault == "unsavable":
            os._exit(4)
        if self.fault == "unwilling":
            raise OSError("no")
        super().save(folder)

    def search(self, queries, k, **parameters):
        if self.fault == "dies":
            sys.stderr.write("illegal instruction of the seventh kind\n")
            os._exit(7)
        if self.fault == "sleeps":
            time.sleep(60)
        if self.fault == "raises":
            raise ZeroDivisionError("by zero")
        found = super().search(queries, k)
        match self.fault:
            case "one_based":
                return Neighbors(found.ids + 1, found.scores)
            case "outside":
                return Neighbors(np.where(np.arange(k) == 1, self.n + 5, found.ids), found.scores)
            case "twice":
                return Neighbors(np.where(np.arange(k) == 1, found.ids[:, :1], found.ids), found.scores)
            case "selfish":  # itself, twice
                return Neighbors(np.hstack([found.ids[:, :1], found.ids[:, :-1]]), found.scores)
            case "swapped":
                return Neighbors(found.scores, found.ids)
            case "remembers":
                self.first = self.first or found
                return Neighbors(self.first.ids[: len(queries)], self.first.scores[: len(queries)])
            case "memoizes":
                seen = {} if self.first is None else self.first
                time.sleep(0.003 * sum(row.tobytes() not in seen for row in queries))
                self.first = seen | {row.tobytes(): True for row in queries}
            case "forgets":  # a little worse each time
                self.first = (self.first or 0) + 1
                return Neighbors(np.where(np.arange(k) < k - self.first, found.ids, -1), found.scores)
        return found
