"""Feature selection along the strengths of a penalty on the inputs.

`search` walks along the strengths, one `steps.Walk` per data set, with networks as
`recipe` describes them; `folds` holds what is done on parts of the data, and `result` and
`stability` what was found and how to choose from it.
"""

from .result import RegularizationPath
from .search import regularization_path
from .stability import StabilitySelection

__all__ = ["RegularizationPath", "StabilitySelection", "regularization_path"]
