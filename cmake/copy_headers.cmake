# cmake -D SOURCE=<tree> -D OUTPUT=<folder> -D LIST=<file with the headers' paths in the tree> -P copy_headers.cmake
# Copies headers with "room/name.h" rewritten to <weft/room/name.h>; a copy that would not change keeps its time, and
# copies of headers that are gone are removed.
cmake_minimum_required(VERSION 3.25)
file(READ ${LIST} headers)
foreach(header IN LISTS headers)
  file(READ ${SOURCE}/${header} text)
  string(REGEX REPLACE "#include \"((core|nn|optim|data|train|models)/[^\"]+)\"" "#include <weft/\\1>" text "${text}")
  file(CONFIGURE OUTPUT ${OUTPUT}/${header} CONTENT "${text}" @ONLY NEWLINE_STYLE UNIX)
endforeach()
file(GLOB_RECURSE copies RELATIVE ${OUTPUT} ${OUTPUT}/*.h)
foreach(copy IN LISTS copies)
  if(NOT copy IN_LIST headers)
    file(REMOVE ${OUTPUT}/${copy})
  endif()
endforeach()
