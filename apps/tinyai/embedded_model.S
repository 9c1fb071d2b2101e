/* The model file as it is, at a page boundary of the program's file, so that it can be read past
   the page cache. Nothing refers to its bytes in memory. */
    .section .rodata.embedded_model, "a", %progbits
    .balign 4096
    .global tinyai_embedded_model_begin
    .hidden tinyai_embedded_model_begin
tinyai_embedded_model_begin:
    .incbin TINYAI_EMBEDDED_MODEL
    .global tinyai_embedded_model_end
    .hidden tinyai_embedded_model_end
tinyai_embedded_model_end:
    .balign 4096
    .section .note.GNU-stack, "", %progbits
