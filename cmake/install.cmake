# A relocatable installation: bin/weft, lib/libweft, include/weft, lib/cmake/weft. Found again with
# find_package(weft CONFIG REQUIRED), linked as weft::weft.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/weft)

install(TARGETS ${WEFT_LIBRARY} EXPORT weft-targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set_target_properties(${WEFT_LIBRARY} PROPERTIES INSTALL_RPATH $ORIGIN)
if(NOT BUILD_SHARED_LIBS)
  install(TARGETS weft EXPORT weft-targets)
endif()
if(TARGET weft_program)
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_BINDIR} OUTPUT_VARIABLE up)
  set_target_properties(weft_program PROPERTIES INSTALL_RPATH $ORIGIN/${up})
  install(TARGETS weft_program)
endif()
install(DIRECTORY ${WEFT_PUBLIC_INCLUDE}/weft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Only a static weft makes its users find what it is made of.
set(WEFT_USER_PACKAGES "")
if(NOT BUILD_SHARED_LIBS)
  set(WEFT_USER_PACKAGES ${WEFT_STATIC_PACKAGES})
endif()
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/weft-config.cmake.in ${PROJECT_BINARY_DIR}/weft-config.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weft-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weft-config.cmake ${PROJECT_BINARY_DIR}/weft-config-version.cmake
        DESTINATION ${package_folder})
install(EXPORT weft-targets NAMESPACE weft:: DESTINATION ${package_folder})
