# What a user may choose, and the defaults of a build that chooses nothing.
option(BUILD_SHARED_LIBS "libweft.so; OFF: libweft.a, linked whole" ON)
option(WEFT_PROGRAM "build the program weft" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_TESTS "build the tests" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_EXAMPLES "build the programs of examples/ and tools/bench/" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_INSTALL "make install rules" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(WEFT_FUZZ "build the fuzz targets for libFuzzer (clang); use with WEFT_SANITIZE and without oneDNN" OFF)
set(WEFT_TEST_ROOMS "" CACHE STRING "folders of tests/ to build test programs for; empty: all")

# ON takes the part when it is there and says so in the summary when it is not; OFF does not look.
option(WEFT_ONEDNN "CPU kernels over oneDNN" ON)
option(WEFT_CURL "downloads of data sets" ON)
option(WEFT_CUDA "look for the CUDA compiler" ON)
set(WEFT_CPU_LEVELS auto CACHE STRING "instruction levels of our CPU loops: auto (chosen at run time) or generic")
set_property(CACHE WEFT_CPU_LEVELS PROPERTY STRINGS auto generic)

if(NOT CMAKE_BUILD_TYPE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, RelWithDebInfo or Debug" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
