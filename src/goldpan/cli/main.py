"""The front door of the command line: verbs are imported only when they are typed."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence

import cyclopts

from goldpan import __version__
from goldpan.core.errors import GoldpanError, UnknownName

VERBS = {
    "demo": "Make a workspace, a search page and a benchmark from images that are already here.",
    "init": "Make an empty workspace.",
    "acquire": "Bring images in: urls, folder, table, webdataset, openimages; or large files: files, laion, sisap.",
    "embed": "Turn images or captions into vectors.",
    "search": "Find images by text, image, id or vector.",
    "project": "Make vectors smaller: PCA, sketches of bits, casts; and tell what recall is left.",
    "truth": "Compute exact nearest neighbors between two sets of vectors.",
    "index": "Build index folders, search them, add and remove rows.",
    "bench": "Make vector-search benchmarks, and run index engines on them.",
    "retrieve": "Find image-text pairs of classes in large pools.",
    "serve": "Search over HTTP: the API of clip-retrieval, one of our own, and a page.",
    "publish": "Write a benchmark in the layouts that other people's tools read.",
    "verify": "Check a benchmark: sums, headers, norms, duplicates, leakage, truth.",
    "convert": "Convert vectors or ground truth between formats.",
    "run": "Run a recipe: stages and their settings in one TOML file.",
    "status": "Show what a workspace holds.",
    "log": "Show what ran, when, on what.",
    "sql": "Query the tables with read-only SQL.",
}

app = cyclopts.App(
    name="goldpan",
    help="Pan image collections for gold-standard datasets and vector-search benchmarks.\n\nStart here: goldpan demo",
    version=__version__,
    version_flags=["--version"],
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
_GROUPS = ("acquire", "bench", "index", "retrieve", "truth")  # verbs with commands below them
for _verb, _help in VERBS.items():
    app.command(f"goldpan.cli.{_verb}:{'app' if _verb in _GROUPS else _verb}", name=_verb, help=_help)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ITEM_FAILURES = 3
EXIT_INTERRUPTED = 130

# What Lance and Arrow raise has no number and no name, only words.
_FULL = re.compile("No space left on device|Disk quota exceeded")
_OF_LANCE = re.compile(r'([A-Z][\w -]+) \(os error \d+\) at path "([^"]+)"')


def main(tokens: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 ok, 1 failed, 2 usage, 3 too many item failures, 130 interrupted."""
    # Pillow warns of broken EXIF and the like; what matters of an image is a row of `failures`.
    warnings.filterwarnings("ignore", module="PIL")
    sys.exit(run(list(tokens) if tokens is not None else sys.argv[1:]))


def run(tokens: Sequence[str]) -> int:
    """Run one command; return its exit code. Errors of ours are one sentence on stderr."""
    try:
        if tokens and not tokens[0].startswith("-") and tokens[0] not in VERBS:
            raise UnknownName("command", tokens[0], VERBS)
        code = app(list(tokens), exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else 0
    except GoldpanError as error:
        return _say(str(error), error.exit_code)
    except cyclopts.CycloptsError as error:
        return _say(_sentence(error), EXIT_USAGE)
    except KeyboardInterrupt:
        return _say("interrupted; run the same command again to go on.", EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_FAILED
    except OSError as error:
        told = _of_disk(error)
        if told is None:
            raise
        return _say(*told)


def _of_disk(error: OSError) -> tuple[str, int] | None:
    """Return what to say of a full disk or a place that is not for us, and the exit code; None of anything else."""
    if _FULL.search(str(error)):
        told = "No space is left on the disk; make room, then type the same command again: what was done is kept."
        return told, EXIT_FAILED
    of_lance = _OF_LANCE.search(str(error))
    what, where = of_lance.groups() if of_lance else (error.strerror, error.filename)
    return None if where is None else (f"{where}: {what}; name a place that can be read and written.", EXIT_USAGE)


def _sentence(error: cyclopts.CycloptsError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines) or type(error).__name__


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"goldpan: {message}\n")
    return code
