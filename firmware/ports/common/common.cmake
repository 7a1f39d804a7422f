# Programs of a Cortex-M port. A port's CMakeLists.txt includes this, names its drivers, and adds programs.

# edged_port_library(SOURCES...): what every program of the port shares: start-up, clock, drivers.
function(edged_port_library)
  add_library(edged_port OBJECT
    ${EDGED_COMMON}/startup.cc ${EDGED_COMMON}/system.cc ${EDGED_COMMON}/reset_note.cc ${EDGED_COMMON}/stack.cc ${ARGN})
  target_include_directories(edged_port PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(edged_port PUBLIC edged_strict)
endfunction()

# edged_program(NAME SCRIPT SOURCES...): NAME.elf and NAME.bin in the build directory, laid out by SCRIPT of the port.
# Sections that are written and executed are how RAM-loaded code is meant here, so the linker is told not to warn.
function(edged_program name script)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE edged_port edged_strict)
  target_link_options(${name} PRIVATE
    -T ${EDGED_PORT_DIR}/${script} -L${EDGED_COMMON} -Wl,--no-warn-rwx-segments -Wl,-Map=${CMAKE_BINARY_DIR}/${name}.map)
  set_target_properties(${name} PROPERTIES
    SUFFIX .elf RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    LINK_DEPENDS "${EDGED_PORT_DIR}/${script};${EDGED_COMMON}/sections.ld")
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} -O binary $<TARGET_FILE:${name}> ${CMAKE_BINARY_DIR}/${name}.bin
    COMMAND ${EDGED_SIZE} $<TARGET_FILE:${name}>
    VERBATIM)
endfunction()

# edged_port_storage(SOURCES...): loader.elf and app.elf of a port with the layout of its flash and memory in SOURCES.
function(edged_port_storage)
  add_library(edged_storage OBJECT ${ARGN})
  target_link_libraries(edged_storage PUBLIC edged_port edged_boot edged_app)
  edged_program(loader loader.ld ${EDGED_COMMON}/loader_main.cc)
  edged_program(app app.ld ${EDGED_COMMON}/app_main.cc)
  foreach(kind loader app)
    edged_program(${kind}_stack_overflow ${kind}.ld ${EDGED_COMMON}/testing/stack_overflow.cc)
    set_target_properties(${kind}_stack_overflow PROPERTIES EXCLUDE_FROM_ALL ON)
  endforeach()
  edged_program(app_hangs app.ld ${EDGED_COMMON}/app_main.cc ${EDGED_COMMON}/testing/hanging_layout.cc)
  set_target_properties(app_hangs PROPERTIES EXCLUDE_FROM_ALL ON)
  target_link_libraries(app_hangs PRIVATE edged_app edged_boot)
  target_link_libraries(loader PRIVATE edged_storage edged_app edged_boot)
  target_link_libraries(app PRIVATE edged_storage edged_app edged_boot)
endfunction()

find_program(EDGED_SIZE arm-none-eabi-size REQUIRED)
set(EDGED_COMMON ${CMAKE_CURRENT_LIST_DIR} CACHE INTERNAL "")
set(EDGED_PORT_DIR ${CMAKE_CURRENT_SOURCE_DIR} CACHE INTERNAL "")
