#!/usr/bin/env bash
# Every C++ file is laid out as clang-format lays it out. 77 (skipped) without the clang-format 14 of
# Debian 12: other versions break some lines elsewhere.
set -euo pipefail
cd "$1"
for tool in clang-format-14 clang-format; do
  if command -v $tool >/dev/null && $tool --version | grep -q 'version 14\.'; then
    find src apps tests bench fuzz examples include/tinyai/cpp include/tinyai/tinyai.hpp -name node_modules -prune -o \
      \( -name '*.cc' -o -name '*.h' -o -name '*.hpp' \) -print0 | xargs -0 $tool --dry-run --Werror
    exit
  fi
done
echo "no clang-format 14 here"
exit 77
