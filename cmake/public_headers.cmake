# The public headers: copies under <build>/include/weft whose root-relative includes say <weft/...>. In-tree code
# includes "core/tensor.h" from the source; everybody else sees only the copies, so that a core/error.h of their own
# never collides. Target weft_headers keeps the copies current.
set(WEFT_PUBLIC_INCLUDE ${PROJECT_BINARY_DIR}/include)
file(GLOB WEFT_PUBLIC_HEADERS CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
     core/*.h core/*/*.h nn/*.h optim/*.h data/*.h train/*.h models/*.h)

set(WEFT_HEADER_STAMP ${PROJECT_BINARY_DIR}/public_headers.stamp)
file(WRITE ${PROJECT_BINARY_DIR}/public_headers.list.new "${WEFT_PUBLIC_HEADERS}")
file(COPY_FILE ${PROJECT_BINARY_DIR}/public_headers.list.new ${PROJECT_BINARY_DIR}/public_headers.list
     ONLY_IF_DIFFERENT)
list(TRANSFORM WEFT_PUBLIC_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE WEFT_HEADER_PATHS)
add_custom_command(
  OUTPUT ${WEFT_HEADER_STAMP}
  COMMAND ${CMAKE_COMMAND} -D SOURCE=${PROJECT_SOURCE_DIR} -D OUTPUT=${WEFT_PUBLIC_INCLUDE}/weft
          -D LIST=${PROJECT_BINARY_DIR}/public_headers.list -P ${PROJECT_SOURCE_DIR}/cmake/copy_headers.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${WEFT_HEADER_STAMP}
  DEPENDS ${WEFT_HEADER_PATHS} ${PROJECT_BINARY_DIR}/public_headers.list cmake/copy_headers.cmake
  COMMENT "Copying the public headers"
  VERBATIM)
add_custom_target(weft_headers DEPENDS ${WEFT_HEADER_STAMP})
