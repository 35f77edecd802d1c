#!/bin/bash -eu
# Builds tools/fuzz_load.py for ClusterFuzzLite.  $CFLAGS has the sanitizer; a flag of ours
# keeps setup.py from fortifying library calls, which would hide them from it.
REGNET_C_FLAGS=-g pip3 install .
compile_python_fuzzer tools/fuzz_load.py --paths tests --hidden-import fuzzed \
    --collect-submodules regnet_c
zip -j "$OUT/fuzz_load_seed_corpus.zip" tests/corpus/*
