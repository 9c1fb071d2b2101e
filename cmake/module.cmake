# tinyai_module(name USES folders... LIBRARIES targets... SOURCES files... TESTS files...
#               TEST_USES folders... TEST_LIBRARIES targets...)
#
# One folder: one static library `tinyai_<name>` and one test program `<name>_test`, every file
# named. USES lists the folders of src/ that it includes from; the test `module_arrows` compares
# that with the #includes. A folder without sources (headers only) becomes an interface library.
function(tinyai_module name)
  cmake_parse_arguments(M "" "" "USES;LIBRARIES;SOURCES;TESTS;TEST_USES;TEST_LIBRARIES" ${ARGN})
  list(TRANSFORM M_USES PREPEND tinyai_ OUTPUT_VARIABLE uses)
  if(M_SOURCES)
    add_library(tinyai_${name} STATIC ${M_SOURCES})
    target_include_directories(tinyai_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(tinyai_${name} PUBLIC ${uses} ${M_LIBRARIES})
  else()
    add_library(tinyai_${name} INTERFACE)
    target_include_directories(tinyai_${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(tinyai_${name} INTERFACE ${uses} ${M_LIBRARIES})
  endif()
  if(TINYAI_TESTS AND M_TESTS)
    list(TRANSFORM M_TEST_USES PREPEND tinyai_ OUTPUT_VARIABLE test_uses)
    tinyai_test(${name}_test SOURCES ${M_TESTS}
      LIBRARIES tinyai_${name} ${test_uses} ${M_TEST_LIBRARIES})
  endif()
endfunction()

# tinyai_test(name SOURCES files... LIBRARIES targets...): a GoogleTest program, each test known to
# ctest by its own name. Where files of the tree and sample data are: tests/paths.
function(tinyai_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE ${T_LIBRARIES} GTest::gmock GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT 600 SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
endfunction()
