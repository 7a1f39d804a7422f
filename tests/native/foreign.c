/* A plug-in built against a runtime that exported what this one does not. */
extern void TfLiteOfAnotherTime(void);

void* tflite_plugin_create_delegate(void) {
  TfLiteOfAnotherTime();
  return 0;
}

void tflite_plugin_destroy_delegate(void) {}
