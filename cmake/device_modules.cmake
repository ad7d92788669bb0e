# The CUDA sources (kernels/cuda, kernels/cublas, kernels/cudnn), compiled twice:
#   weft_cuda           libweft_cuda.so, by nvcc for GPUs: our kernels, and candidates over cuBLASLt and cuDNN
#   weft_cuda_emulated  libweft_cuda_emulated.so, by the C++ compiler for the host emulator (kernels/emulation)
# What differs between the two stands in headers of the same name, <weft_launch.h> and its like; the include path
# chooses them. libweft.so opens a module when a device of its kind is first asked for; a static weft holds them.
file(GLOB WEFT_CUDA_KERNELS CONFIGURE_DEPENDS kernels/cuda/*.cu)
file(GLOB WEFT_CUDA_HOST CONFIGURE_DEPENDS kernels/cuda/*.cc)

# weft_add_module(name): a module over the objects of <name>_objects, or, in a static build, a part of the archive.
function(weft_add_module name)
  if(NOT BUILD_SHARED_LIBS)
    target_sources(${WEFT_LIBRARY} PRIVATE $<TARGET_OBJECTS:${name}_objects>)
    return()
  endif()
  add_library(${name} MODULE)
  target_link_libraries(${name} PRIVATE ${name}_objects weft)
  # Found by libweft.so beside itself; nothing is linked with it.
  set_target_properties(${name} PROPERTIES PREFIX lib LIBRARY_OUTPUT_DIRECTORY ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}
                        INSTALL_RPATH $ORIGIN)
  target_link_options(${name} PRIVATE $<$<NOT:$<BOOL:${WEFT_SANITIZE}>>:-Wl,-z,defs>)
  if(WEFT_INSTALL)
    include(GNUInstallDirs)
    install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endfunction()

if(WEFT_EMULATED)
  add_subdirectory(kernels/emulation)  # a folder of its own, where .cu files are C++
  weft_add_module(weft_cuda_emulated)
endif()

if(WEFT_HAS_CUDA)
  include(cmake/cuda_libraries.cmake)
  add_library(weft_cuda_objects OBJECT ${WEFT_CUDA_KERNELS} ${WEFT_CUDA_HOST})
  target_include_directories(weft_cuda_objects PRIVATE kernels/cuda/hardware)
  target_include_directories(weft_cuda_objects SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  target_compile_definitions(weft_cuda_objects PRIVATE WEFT_CUDA_BUILD=hardware WEFT_CUDA_DEVICE=cuda)
  target_link_libraries(weft_cuda_objects PRIVATE weft_flags)
  set_target_properties(weft_cuda_objects PROPERTIES WEFT_KERNELS ON
                        CUDA_VISIBILITY_PRESET hidden CUDA_RUNTIME_LIBRARY Static)
  # What ptxas says of each kernel is kept beside the objects, for tools/gpu/resources.
  set_property(TARGET weft_cuda_objects PROPERTY CUDA_COMPILER_LAUNCHER
               ${PROJECT_SOURCE_DIR}/tools/gpu/keep_ptxas_report ${CMAKE_CUDA_COMPILER_LAUNCHER})
  # As in C++, a multiply and an add are fused only where the source says fma. Compressed, the module is a quarter.
  target_compile_options(weft_cuda_objects PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --expt-relaxed-constexpr -fmad=false -lineinfo -Xptxas=-v
      -Xfatbin=-compress-all>
    $<$<COMPILE_LANGUAGE:CXX>:-O2>)
  weft_add_module(weft_cuda)
  if(BUILD_SHARED_LIBS)
    set_target_properties(weft_cuda PROPERTIES LINKER_LANGUAGE CXX)
    target_link_libraries(weft_cuda PRIVATE weft_cuda_libraries CUDA::cudart_static)
  else()
    target_sources(${WEFT_LIBRARY} PRIVATE $<TARGET_OBJECTS:weft_cuda_libraries>)
    target_link_libraries(${WEFT_LIBRARY} PRIVATE CUDA::cudart_static)
  endif()
endif()
