# cmake -DSOURCE=web -DBUILD=<build>/web -DNPM=<npm or nothing> -P build_web.cmake
#
# Writes BUILD/assets_data.cc: every file of the page, compressed by gzip and included as bytes, and the table of them
# (src/server/assets.h). npm works in BUILD/, on copies, and leaves the source tree as it is.
cmake_minimum_required(VERSION 3.25)

# --- the page's files, in ${dist} ------------------------------------------------------------------------------------

# What the build needs, without what only the tests need. Installed again only when the list of packages changed.
function(install_packages result)
  file(SHA256 ${SOURCE}/package-lock.json lock_hash)
  set(installed "")
  if(EXISTS ${BUILD}/installed)
    file(READ ${BUILD}/installed installed)
  endif()
  file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json DESTINATION ${BUILD})
  if(installed STREQUAL lock_hash)
    set(${result} TRUE PARENT_SCOPE)
    return()
  endif()
  file(REMOVE ${BUILD}/installed)
  execute_process(
    COMMAND ${NPM} ci --omit=dev --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000
    WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(NOTICE "${output}")
    message(WARNING "npm could not fetch the libraries of the web page; the program is built without it. "
                    "Touch web/package.json to try again.")
    set(${result} FALSE PARENT_SCOPE)
    return()
  endif()
  file(WRITE ${BUILD}/installed ${lock_hash})
  set(${result} TRUE PARENT_SCOPE)
endfunction()

function(build_page)
  file(REMOVE_RECURSE ${BUILD}/src ${BUILD}/public ${BUILD}/dist)
  file(GLOB files ${SOURCE}/*.json ${SOURCE}/*.html ${SOURCE}/*.config.js ${SOURCE}/src ${SOURCE}/public)
  file(COPY ${files} DESTINATION ${BUILD})
  execute_process(
    COMMAND ${NPM} run build
    WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(NOTICE "${output}")
    message(FATAL_ERROR "the web page does not build")
  endif()
endfunction()

set(dist ${SOURCE}/fallback)
if(NPM)
  install_packages(installed)
  if(installed)
    build_page()
    set(dist ${BUILD}/dist)
  endif()
endif()

# --- the table -------------------------------------------------------------------------------------------------------

function(content_type result file)
  cmake_path(GET file EXTENSION LAST_ONLY extension)
  set(type_.html "text/html\\; charset=utf-8")
  set(type_.js "text/javascript\\; charset=utf-8")
  set(type_.css "text/css\\; charset=utf-8")
  set(type_.svg "image/svg+xml")
  set(type_.png "image/png")
  set(type_.woff2 "font/woff2")
  set(type_.txt "text/plain\\; charset=utf-8")
  set(type_.json "application/json")
  set(type_.webmanifest "application/manifest+json")
  if(NOT DEFINED type_${extension})
    message(FATAL_ERROR "${file}: no content type is known for ${extension}; add one to cmake/build_web.cmake")
  endif()
  set(${result} ${type_${extension}} PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${BUILD}/gzip)
file(GLOB_RECURSE files RELATIVE ${dist} ${dist}/*)
list(SORT files)  # FindAsset() searches by halves
set(bytes "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  content_type(type ${file})
  cmake_path(GET file PARENT_PATH folder)
  file(MAKE_DIRECTORY ${BUILD}/gzip/${folder})
  execute_process(COMMAND gzip -9nc ${dist}/${file} OUTPUT_FILE ${BUILD}/gzip/${file}.gz COMMAND_ERROR_IS_FATAL ANY)
  file(SIZE ${BUILD}/gzip/${file}.gz size)
  file(SHA256 ${dist}/${file} hash)
  string(SUBSTRING ${hash} 0 32 hash)
  set(immutable false)
  if(file MATCHES "^assets/")
    set(immutable true)
  endif()
  # The hash in the text makes a changed file a changed source, for ccache and ninja.
  string(APPEND bytes "asm(\".pushsection .rodata\\n.global fathom_asset_${number}\\nfathom_asset_${number}:\\n\"\n"
                      "    \".incbin \\\"${BUILD}/gzip/${file}.gz\\\"\\n.popsection\");  // ${hash}\n"
                      "extern \"C\" const char fathom_asset_${number}[];\n")
  string(APPEND rows "    {\"/${file}\", \"${type}\", \"\\\"${hash}\\\"\", {fathom_asset_${number}, ${size}}, ${immutable}},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${BUILD}/assets_data.cc.new "// Made by cmake/build_web.cmake.
#include \"server/assets.h\"

${bytes}
namespace fathom {

std::span<const Asset> Assets() {
  static constexpr Asset kAssets[] = {
${rows}  };
  return kAssets;
}

}  // namespace fathom
")
file(RENAME ${BUILD}/assets_data.cc.new ${BUILD}/assets_data.cc)
