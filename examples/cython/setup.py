"""Builds lasso.pyx against the installed regnet_c: no library to link, one header."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import regnet_c

setup(
    name="lasso",
    ext_modules=cythonize(
        [Extension("lasso", ["lasso.pyx"], include_dirs=[regnet_c.get_include()])],
        language_level=3,
    ),
)
