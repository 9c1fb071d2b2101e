/* The page as text; read only when one is written. */
    .section .rodata.page, "a", %progbits
    .global tinyai_page_begin
    .hidden tinyai_page_begin
tinyai_page_begin:
    .incbin TINYAI_PAGE
    .global tinyai_page_end
    .hidden tinyai_page_end
tinyai_page_end:
    .global tinyai_page_script_begin
    .hidden tinyai_page_script_begin
tinyai_page_script_begin:
    .incbin TINYAI_PAGE_SCRIPT
    .global tinyai_page_script_end
    .hidden tinyai_page_script_end
tinyai_page_script_end:
    .section .note.GNU-stack, "", %progbits
