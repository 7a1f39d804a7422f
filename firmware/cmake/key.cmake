# boot/trusted_key.h in the build directory, from EDGED_KEY or from a throw-away pair.
set(EDGED_KEY "" CACHE FILEPATH "PEM file of the P-256 public key whose signatures the loader accepts")
set(key_header ${CMAKE_BINARY_DIR}/generated/boot/trusted_key.h)
if(EDGED_KEY)
  set(key_arguments ${EDGED_KEY} ${key_header})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${EDGED_KEY})
else()
  set(key_arguments --develop ${CMAKE_BINARY_DIR}/development-key.pem ${key_header})
  message(STATUS "no EDGED_KEY: the loader trusts the throw-away key ${CMAKE_BINARY_DIR}/development-key.pem")
endif()
execute_process(
  COMMAND ${EDGED_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/embed_key.py ${key_arguments}
  RESULT_VARIABLE failed ERROR_VARIABLE why ERROR_STRIP_TRAILING_WHITESPACE)
if(failed)
  message(FATAL_ERROR "${why}")
endif()
