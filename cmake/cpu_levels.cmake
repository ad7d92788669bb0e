# weft_add_cpu_levels(target folder): compiles the CPU kernels of a folder into the target.
#
# On x86-64 each file is compiled once for x86-64-v3 (AVX2, FMA) and once for x86-64-v4 (AVX-512). All that is compiled
# for a level, including the templates and inline functions it shares with the rest of the program, must never be
# called on a lesser CPU, and a linker that merges weak symbols would do just that. So each level becomes one object
# whose symbols are all local, and whose static initialisers, which register the kernels, stand in a list of their own
# (weft_init_<level>, ended by a null) that the loader does not run: kernels/levels.cc runs the one that fits the CPU.
# Elsewhere, under sanitizers and with WEFT_CPU_LEVELS=generic the files are compiled once, as ordinary files.
# clang warns of each simd loop that stays scalar, such as those that call the C library's exp for f64.
set(WEFT_KERNEL_OPTIONS -O3 -fno-trapping-math -fopenmp-simd $<$<CXX_COMPILER_ID:Clang>:-Wno-pass-failed>)
set(WEFT_LEVEL_OPTIONS_v3 -march=x86-64-v3)
set(WEFT_LEVEL_OPTIONS_avx512 -march=x86-64-v4 -mprefer-vector-width=512)

# GNU's, whatever the compiler: CMake would take llvm-objcopy beside clang, which lacks some of what is asked here.
find_program(WEFT_LD NAMES ld.bfd ld)
find_program(WEFT_OBJCOPY NAMES objcopy)
mark_as_advanced(WEFT_LD WEFT_OBJCOPY)
set(WEFT_SPLIT_LEVELS FALSE)
if(WEFT_CPU_LEVELS STREQUAL generic)
  set(WEFT_NOTE_LEVELS "generic (WEFT_CPU_LEVELS=generic)")
elseif(WEFT_SANITIZE)
  set(WEFT_NOTE_LEVELS "generic (sanitizers)")
elseif(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(WEFT_NOTE_LEVELS "generic (${CMAKE_SYSTEM_PROCESSOR})")
elseif(NOT WEFT_LD OR NOT WEFT_OBJCOPY)
  set(WEFT_NOTE_LEVELS "generic: ld or objcopy was not found (binutils brings them), slow")
else()
  set(WEFT_SPLIT_LEVELS TRUE)
  set(WEFT_NOTE_LEVELS "x86-64-v3 and AVX-512, chosen at run time")
endif()

function(weft_compile_level level folder)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
  add_library(weft_cpu_${level} OBJECT ${sources})
  target_compile_definitions(weft_cpu_${level} PRIVATE WEFT_CPU_LEVEL=${level})
  set_target_properties(weft_cpu_${level} PROPERTIES WEFT_KERNELS ON)
  target_link_libraries(weft_cpu_${level} PRIVATE weft_flags)
  target_compile_options(weft_cpu_${level} PRIVATE ${ARGN})
endfunction()

function(weft_add_cpu_levels target folder)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
  if(NOT sources)
    return()
  endif()
  if(NOT WEFT_SPLIT_LEVELS)
    set(options ${WEFT_KERNEL_OPTIONS})
    if(WEFT_SANITIZE)
      list(APPEND options -O1)
    endif()
    weft_compile_level(generic ${folder} ${options})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:weft_cpu_generic>)
    return()
  endif()
  add_library(weft_cpu_end OBJECT kernels/level_end.cc)
  foreach(level v3 avx512)
    weft_compile_level(${level} ${folder} ${WEFT_KERNEL_OPTIONS} ${WEFT_LEVEL_OPTIONS_${level}} -fno-lto
                       $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
    set(object ${PROJECT_BINARY_DIR}/weft_cpu_${level}.o)
    # --keep-global-symbol with a name that does not exist makes all defined symbols local and leaves the rest.
    # weft_init_<level> is then their only global symbol.
    add_custom_command(
      OUTPUT ${object}
      BYPRODUCTS ${object}.whole
      COMMAND ${WEFT_LD} -r --force-group-allocation -o ${object}.whole $<TARGET_OBJECTS:weft_cpu_${level}>
              $<TARGET_OBJECTS:weft_cpu_end>
      COMMAND ${WEFT_OBJCOPY} --keep-global-symbol=weft_nothing
              --rename-section .init_array=.weft_init_${level},alloc,load,data,contents
              --add-symbol weft_init_${level}=.weft_init_${level}:0,global,object
              ${object}.whole ${object}
      DEPENDS $<TARGET_OBJECTS:weft_cpu_${level}> $<TARGET_OBJECTS:weft_cpu_end>
      COMMENT "Combining the CPU kernels for ${level}"
      COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
    target_sources(${target} PRIVATE ${object})
  endforeach()
endfunction()
