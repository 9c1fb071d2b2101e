# The library `tinyai`, shared and static, and what `cmake --install` puts beside it: the headers of
# include/, a pkg-config file and a CMake package (find_package(tinyai); tinyai::tinyai, tinyai::static).
include(CMakePackageConfigHelpers)

# All modules that `target` links, itself included, and the libraries from outside, each once.
function(tinyai_collect target modules libraries)
  set(open ${target})
  set(found)
  set(outside)
  while(open)
    list(POP_FRONT open next)
    if(next IN_LIST found)
      continue()
    endif()
    if(NOT next MATCHES "^tinyai_")
      list(APPEND outside ${next})
      continue()
    endif()
    list(APPEND found ${next})
    get_target_property(linked ${next} INTERFACE_LINK_LIBRARIES)
    if(linked)
      list(TRANSFORM linked REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1")
      list(APPEND open ${linked})
    endif()
  endwhile()
  list(REMOVE_DUPLICATES outside)
  set(${modules} ${found} PARENT_SCOPE)
  set(${libraries} ${outside} PARENT_SCOPE)
endfunction()

tinyai_collect(tinyai_capi modules libraries)
set(objects)
foreach(module ${modules})
  get_target_property(type ${module} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    list(APPEND objects $<TARGET_OBJECTS:${module}>)
  endif()
endforeach()

set(version_script ${PROJECT_SOURCE_DIR}/cmake/tinyai.map)
add_library(tinyai_shared SHARED $<TARGET_OBJECTS:tinyai_capi>)
target_link_libraries(tinyai_shared PRIVATE tinyai_engine fmt::fmt)
target_link_options(tinyai_shared PRIVATE
  -Wl,--version-script=${version_script} -Wl,--no-undefined -Wl,--gc-sections)
set_target_properties(tinyai_shared PROPERTIES
  OUTPUT_NAME tinyai EXPORT_NAME tinyai LINK_DEPENDS ${version_script}
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_include_directories(tinyai_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
if(TINYAI_SANITIZE)
  # The program that loads it brings the sanitizer.
  target_link_options(tinyai_shared PRIVATE -Wl,-z,undefs)
endif()

add_library(tinyai_static STATIC ${objects})
set_target_properties(tinyai_static PROPERTIES OUTPUT_NAME tinyai LINKER_LANGUAGE CXX)

# For those who link the static library: what it needs, as pkg-config names and as -l flags.
set(static_requires "fmt libhwy libpcre2-8 libutf8proc")
set(static_libs "-lstdc++ -lm -lpthread -ldl")
if(URING_FOUND)
  string(APPEND static_requires " liburing")
endif()
if("PkgConfig::XXHASH" IN_LIST libraries)
  string(APPEND static_requires " libxxhash")
endif()

install(TARGETS tinyai_shared tinyai_static
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/tinyai DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)
file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/tinyai.pc.in ${PROJECT_BINARY_DIR}/tinyai.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tinyai.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tinyai)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/tinyaiConfig.cmake.in
  ${PROJECT_BINARY_DIR}/tinyaiConfig.cmake INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tinyaiConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tinyaiConfig.cmake ${PROJECT_BINARY_DIR}/tinyaiConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT library)
install(TARGETS tinyai RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
