// The engine for ctypes: what tests on the host drive. One handle holds one engine.
#include <new>

#include "ml/engine.h"

using edged::ml::Engine;

extern "C" {

Engine* edged_ml_new() { return new (std::nothrow) Engine(); }
void edged_ml_delete(Engine* engine) { delete engine; }

// The memory of model and arena is the caller's and must outlive the engine. Returns a Status.
int edged_ml_load(Engine* engine, const uint8_t* model, uint32_t model_bytes, uint8_t* arena, uint32_t arena_bytes) {
  return static_cast<int>(engine->load({model, model_bytes}, {arena, arena_bytes}));
}
int edged_ml_invoke(Engine* engine) { return static_cast<int>(engine->invoke()); }
void edged_ml_reset_state(Engine* engine) { engine->reset_state(); }
uint32_t edged_ml_inputs(const Engine* engine) { return engine->inputs(); }
uint32_t edged_ml_outputs(const Engine* engine) { return engine->outputs(); }
uint32_t edged_ml_arena_used(const Engine* engine) { return engine->arena_used(); }
void edged_ml_input(const Engine* engine, uint32_t index, edged::ml::Tensor* into) { *into = engine->input(index); }
void edged_ml_output(const Engine* engine, uint32_t index, edged::ml::Tensor* into) { *into = engine->output(index); }
bool edged_ml_has_operator(int32_t code) { return Engine::has_operator(code); }
void edged_ml_diagnosis(const Engine* engine, edged::ml::Diagnosis* into) { *into = engine->diagnosis(); }
}
