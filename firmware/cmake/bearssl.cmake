# Target bearssl: of BearSSL, what the check of an ECDSA signature on P-256 needs; with its own flags, for it is not our code.
execute_process(
  COMMAND ${EDGED_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/../third_party.py
  OUTPUT_VARIABLE bearssl_directory OUTPUT_STRIP_TRAILING_WHITESPACE
  RESULT_VARIABLE failed ERROR_VARIABLE why ERROR_STRIP_TRAILING_WHITESPACE)
if(failed)
  message(FATAL_ERROR "${why}")
endif()

set(bearssl_verify
  hash/sha2small ec/ecdsa_i31_vrfy_raw ec/ecdsa_i31_bits ec/ec_p256_m31 ec/ec_secp256r1 ec/ec_secp384r1 ec/ec_secp521r1
  int/i31_add int/i31_bitlen int/i31_decode int/i31_decmod int/i31_encode int/i31_fmont int/i31_iszero int/i31_montmul
  int/i31_muladd int/i31_ninv31 int/i31_sub int/i31_tmont int/i31_modpow int/i31_decred int/i31_reduce int/i31_rshift
  int/i32_div32 codec/dec32be codec/enc32be codec/ccopy)
list(TRANSFORM bearssl_verify PREPEND ${bearssl_directory}/src/)
list(TRANSFORM bearssl_verify APPEND .c)
add_library(bearssl STATIC ${bearssl_verify})
target_include_directories(bearssl SYSTEM PUBLIC ${bearssl_directory}/inc PRIVATE ${bearssl_directory}/src)
target_compile_options(bearssl PRIVATE -w -ffunction-sections -fdata-sections)

if(EDGED_TESTS)  # images of tests are signed where they are made
  set(bearssl_sign ec/ecdsa_i31_sign_raw mac/hmac rand/hmac_drbg ec/ec_keygen ec/ec_pubkey)
  list(TRANSFORM bearssl_sign PREPEND ${bearssl_directory}/src/)
  list(TRANSFORM bearssl_sign APPEND .c)
  add_library(bearssl_sign STATIC ${bearssl_sign})
  target_include_directories(bearssl_sign SYSTEM PUBLIC ${bearssl_directory}/inc PRIVATE ${bearssl_directory}/src)
  target_compile_options(bearssl_sign PRIVATE -w)
  target_link_libraries(bearssl_sign PUBLIC bearssl)
endif()
