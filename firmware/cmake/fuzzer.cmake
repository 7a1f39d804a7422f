# edged_fuzzer(fuzz_x x_fuzz.cc edged_x): a libFuzzer program, found by scripts/fuzz by the beginning of its name. Its source says at
# its top what must hold for every input; seeds, where it has some, lie in fuzz_x.seeds/ beside it.
target_compile_options(edged_strict INTERFACE -fsanitize=fuzzer-no-link)
add_custom_target(fuzzers)

function(edged_fuzzer name source)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${ARGN})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${name})
endfunction()
