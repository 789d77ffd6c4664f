"""``magpie corpora``: what there is, whether the files are right, conversion, leaks, new splits."""

from magpie.cli.corpora._group import corpora

# Each module registers its commands on `corpora`, in the order of the help.
from magpie.cli.corpora import listing as _listing  # noqa: F401  # isort: skip
from magpie.cli.corpora import checking as _checking  # noqa: F401  # isort: skip
from magpie.cli.corpora import statistics as _statistics  # noqa: F401  # isort: skip
from magpie.cli.corpora import converting as _converting  # noqa: F401  # isort: skip
from magpie.cli.corpora import overlaps as _overlaps  # noqa: F401  # isort: skip
from magpie.cli.corpora import making as _making  # noqa: F401  # isort: skip

__all__ = ["corpora"]
