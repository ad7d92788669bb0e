# Candidates over NVIDIA's libraries (kernels/nvidia, kernels/cublas, kernels/cudnn): host code of the CUDA module. Both
# libraries are opened at run time; to compile, cuBLASLt needs the toolkit's header, and cuDNN its own header and the
# C++ front end (headers only; tools/install-deps fetches it). Sets WEFT_NOTE_CUDNN and makes weft_cuda_libraries, the
# objects that the module and the tests take.
file(GLOB WEFT_CUDA_LIBRARY_SOURCES CONFIGURE_DEPENDS kernels/nvidia/*.cc kernels/cublas/*.cc)
add_library(weft_cuda_libraries OBJECT ${WEFT_CUDA_LIBRARY_SOURCES})
target_link_libraries(weft_cuda_libraries PRIVATE weft_flags nlohmann_json::nlohmann_json)
target_include_directories(weft_cuda_libraries SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})

if(DEFINED ENV{XDG_CACHE_HOME})
  set(weft_cache "$ENV{XDG_CACHE_HOME}/weft")
else()
  set(weft_cache "$ENV{HOME}/.cache/weft")
endif()
find_path(WEFT_CUDNN_FRONTEND_INCLUDE cudnn_frontend.h HINTS ${weft_cache}/cudnn-frontend/include
          ${CUDAToolkit_INCLUDE_DIRS})
find_path(WEFT_CUDNN_INCLUDE cudnn_version.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${weft_cache}/cudnn-frontend/include)
mark_as_advanced(WEFT_CUDNN_FRONTEND_INCLUDE WEFT_CUDNN_INCLUDE)

set(WEFT_HAS_CUDNN FALSE)
if(NOT WEFT_CUDNN_INCLUDE)
  set(WEFT_NOTE_CUDNN "no cudnn.h; convolutions on GPUs are our own")
elseif(NOT WEFT_CUDNN_FRONTEND_INCLUDE)
  set(WEFT_NOTE_CUDNN "no C++ front end (tools/install-deps fetches it); convolutions on GPUs are our own")
else()
  set(WEFT_HAS_CUDNN TRUE)
  file(STRINGS ${WEFT_CUDNN_FRONTEND_INCLUDE}/cudnn_frontend_version.h version
       REGEX "_(MAJOR|MINOR|PATCH)_VERSION [0-9]")
  list(TRANSFORM version REPLACE "[^0-9]" "")
  list(JOIN version "." version)
  set(WEFT_NOTE_CUDNN "front end ${version}")

  # The GPUs that plans can be made for are part of the library: each profile becomes a string.
  file(GLOB profiles CONFIGURE_DEPENDS kernels/cudnn/profiles/*.json)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${profiles})
  set(entries "")
  foreach(profile IN LISTS profiles)
    cmake_path(GET profile STEM name)
    file(READ ${profile} text)
    string(APPEND entries "    {\"${name}\", R\"json(${text})json\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/cudnn_profiles.cc CONTENT [[
#include "kernels/cudnn/profiles.h"
namespace weft::cudnn {
std::span<const Profile> profiles() {
  static constexpr Profile all[] = {
@entries@  };
  return all;
}
}  // namespace weft::cudnn
]] @ONLY)
  file(GLOB sources CONFIGURE_DEPENDS kernels/cudnn/*.cc)
  target_sources(weft_cuda_libraries PRIVATE ${sources} ${CMAKE_CURRENT_BINARY_DIR}/cudnn_profiles.cc)
  # The front end's headers take a minute to optimise and gain nothing by it: they run once per plan.
  set_source_files_properties(kernels/cudnn/graph.cc PROPERTIES COMPILE_OPTIONS -O1)
  set_property(SOURCE kernels/cudnn/graph.cc PROPERTY COMPILE_DEFINITIONS NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING)
  target_include_directories(weft_cuda_libraries SYSTEM PRIVATE ${WEFT_CUDNN_FRONTEND_INCLUDE} ${WEFT_CUDNN_INCLUDE})
endif()
