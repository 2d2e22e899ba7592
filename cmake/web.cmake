# The web page: built by npm from web/ into <build>/web/, compressed, and linked in as ${FATHOM_ASSETS_SOURCE}.
#
# One custom command that depends on the sources in web/ only, so who changes C++ never waits for it. Without npm, in
# builds with sanitizers, or with -DFATHOM_WEB=OFF, web/fallback/ takes the page's place.
option(FATHOM_WEB "Build the web page (needs npm)" ON)
find_program(FATHOM_NPM npm)

# Where npm was missing it is looked for again when somebody touches this.
if(NOT FATHOM_NPM)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/package.json)
endif()

set(npm "")
if(FATHOM_WEB AND FATHOM_NPM AND NOT FATHOM_SANITIZE)
  set(npm ${FATHOM_NPM})
elseif(FATHOM_WEB AND NOT FATHOM_NPM)
  message(STATUS "npm was not found: the program is built without its web page")
endif()

file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/src/* ${CMAKE_SOURCE_DIR}/web/public/*)
file(GLOB web_settings CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/*.json ${CMAKE_SOURCE_DIR}/web/*.html
     ${CMAKE_SOURCE_DIR}/web/*.config.js)
set(FATHOM_ASSETS_SOURCE ${CMAKE_BINARY_DIR}/web/assets_data.cc)
add_custom_command(
  OUTPUT ${FATHOM_ASSETS_SOURCE}
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR}/web -DBUILD=${CMAKE_BINARY_DIR}/web -DNPM=${npm}
          -P ${CMAKE_SOURCE_DIR}/cmake/build_web.cmake
  DEPENDS ${web_sources} ${web_settings} ${CMAKE_SOURCE_DIR}/web/fallback/index.html
          ${CMAKE_SOURCE_DIR}/cmake/build_web.cmake
  COMMENT "Building the web page"
  VERBATIM)
