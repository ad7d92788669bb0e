# How every file of weft is compiled: the interface target weft_flags. It reaches our own targets only, never a user's.
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(weft_flags INTERFACE)
target_compile_features(weft_flags INTERFACE cxx_std_20)
target_include_directories(weft_flags INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
target_include_directories(weft_flags SYSTEM INTERFACE $<BUILD_INTERFACE:${WEFT_XXHASH_INCLUDE}>)
target_compile_definitions(weft_flags INTERFACE
  $<BUILD_INTERFACE:WEFT_VERSION="${PROJECT_VERSION}">
  $<BUILD_INTERFACE:WEFT_HAS_CURL=$<BOOL:${WEFT_HAS_CURL}>>
  $<BUILD_INTERFACE:WEFT_HAS_ONEDNN=$<BOOL:${WEFT_HAS_ONEDNN}>>
  $<BUILD_INTERFACE:WEFT_HAS_NVTX=$<BOOL:${WEFT_HAS_NVTX}>>)
if(WEFT_HAS_NVTX)
  set_property(SOURCE core/profile.cc APPEND PROPERTY INCLUDE_DIRECTORIES ${WEFT_NVTX_INCLUDE})
endif()
set_property(SOURCE data/jpeg.cc data/png.cc APPEND PROPERTY COMPILE_DEFINITIONS
             WEFT_HAS_IMAGES=$<BOOL:${WEFT_HAS_IMAGES}>)
# GCC 12 warns of overlapping copies in "literal" + string that do not exist (GCC bug 105651).
target_compile_options(weft_flags INTERFACE
  $<BUILD_INTERFACE:$<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>>)
# GCC 12 takes the undefined operand of AVX-512's masked maximum for a mistake (GCC bug 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set_property(SOURCE kernels/cpu/conv2d_winograd.cc APPEND PROPERTY COMPILE_OPTIONS -Wno-maybe-uninitialized)
endif()
# No contraction: a*b + c gives the same bits at every instruction level; std::fma is written where it is meant.
# -O2 rather than CMake's -O3 outside the kernels (targets with the property WEFT_KERNELS): the same speed there, and a
# third less time to compile.
set(WEFT_RELEASE_LEVEL -O2)
set(WEFT_NO_KERNELS $<NOT:$<BOOL:$<TARGET_PROPERTY:WEFT_KERNELS>>>)
if(WEFT_SANITIZE)
  set(WEFT_RELEASE_LEVEL -O1)
endif()
target_compile_options(weft_flags INTERFACE
  $<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -ffp-contract=off -fno-math-errno>>
  $<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-ffp-contract=off,-fno-math-errno>>
  $<BUILD_INTERFACE:$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>,${WEFT_NO_KERNELS}>:${WEFT_RELEASE_LEVEL}>>)
if(WEFT_SANITIZE)
  set(WEFT_SANITIZE_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g1)
  add_compile_options(${WEFT_SANITIZE_FLAGS})
  add_link_options(${WEFT_SANITIZE_FLAGS})
  # GCC documents false warnings of uninitialised values under sanitizers (std::regex has some).
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

if(WEFT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# ccache where it is there and the user names no launcher. A precompiled header needs these two words of permission.
find_program(WEFT_CCACHE ccache)
mark_as_advanced(WEFT_CCACHE)
if(WEFT_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${WEFT_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
