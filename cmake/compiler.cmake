# Warnings are errors. GCC 12 reports "maybe uninitialized" for values of std::optional and tl::expected that
# were just checked, so that warning is left to clang-tidy. Frame pointers stay for profilers.
add_compile_options(-Wall -Wextra -Wpedantic -Werror -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -Wno-psabi -Wno-maybe-uninitialized -Wno-missing-field-initializers
  -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_compile_options(-Wno-unknown-warning-option)
endif()
# Floating point must give the same bits in every build of one instruction set: no contraction that
# the source does not ask for.
add_compile_options(-ffp-contract=off)
if(TINYAI_SANITIZE)
  add_compile_options(-fsanitize=${TINYAI_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TINYAI_SANITIZE})
endif()
if(TINYAI_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
