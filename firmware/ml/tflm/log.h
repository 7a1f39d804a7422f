// What TensorFlow Lite Micro has to say about a model.
#pragma once

namespace edged::ml::tflm {

// Forgets what was said until now.
void listen();

// The first message since, as it stands in TFLM's code: with %d for its numbers. nullptr if it said nothing, which it
// never does where its library was built without messages.
[[nodiscard]] const char* first_message();

}  // namespace edged::ml::tflm
