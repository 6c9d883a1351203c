#!/bin/sh
# compile-champion.sh DATA_ROOT CHAMPION_FOLDER: stands for the compiler.
cd "$2" || exit 1
tr a-z A-Z <champion.tgz >champion.so && echo "compiled on $(hostname)" >compilation.log
