# cmake -D INPUT=<Markdown file> -D OUTPUT=<file> -P extract_program.cmake
# Writes the first C++ block of a Markdown file to a file of its own.
cmake_minimum_required(VERSION 3.25)
file(READ ${INPUT} text)
string(FIND "${text}" "```cpp\n" begin)
if(begin EQUAL -1)
  message(FATAL_ERROR "${INPUT}: has no C++ block")
endif()
math(EXPR begin "${begin} + 7")
string(SUBSTRING "${text}" ${begin} -1 text)
string(FIND "${text}" "```" end)
string(SUBSTRING "${text}" 0 ${end} text)
file(WRITE ${OUTPUT} "${text}")
