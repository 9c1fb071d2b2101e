# What this build has and what it lacks, as one line each at the end of configuring.

# tinyai_optional(found what package without): `found` names a variable that is true when it is there.
function(tinyai_optional found what package without)
  if(${found})
    set_property(GLOBAL APPEND PROPERTY tinyai_on "${what}")
  else()
    set_property(GLOBAL APPEND PROPERTY tinyai_off "${what}: ${without} (Debian: ${package})")
  endif()
endfunction()

function(tinyai_print_summary)
  get_property(on GLOBAL PROPERTY tinyai_on)
  get_property(off GLOBAL PROPERTY tinyai_off)
  list(JOIN on ", " on)
  message(STATUS "TinyAI ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}, ${CMAKE_CXX_COMPILER_ID} "
    "${CMAKE_CXX_COMPILER_VERSION} for ${CMAKE_SYSTEM_PROCESSOR}; with: ${on}")
  foreach(line ${off})
    message(STATUS "  off: ${line}")
  endforeach()
endfunction()
