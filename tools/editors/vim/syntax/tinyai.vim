" Value programs, schedules, device and cost files of TinyAI. Made by tools/language.
if exists("b:current_syntax")
  finish
endif
syntax case match
syntax keyword tinyaiWord align api before branch budget bytes carry class closed const coordinator cost count cuda device effects else evict expected extern fence fn for free full if in io let link load loop max memory move next none objective on op opencl output pin place predicated prefetch print queue recompute return schedule static sync tcp thread trip value vulkan while window worst
syntax keyword tinyaiType bf16 bool f16 f32 f64 i32 i64 q4 q8
syntax keyword tinyaiFunction abs concat cos exp fill floor histogram input iota least log matmul min most pow reshape rows shift sin sqrt sum tanh transpose
syntax keyword tinyaiConstant true false
syntax match tinyaiFence /---\s*\h\w*/
syntax match tinyaiHole /???/
syntax match tinyaiNumber /\<\d\+\(\.\d\+\)\?\([eE][+-]\?\d\+\)\?\(GiB\|KiB\|MiB\|TiB\|GB\|KB\|MB\|TB\|ms\|ns\|us\|B\|G\|K\|M\|T\|s\)\?\(\/s\)\?\>/
syntax region tinyaiString start=/"/ skip=/\\"/ end=/"/ oneline
syntax region tinyaiComment start=/\/\// end=/$/ oneline contains=@Spell
syntax region tinyaiComment start=/\/\*/ end=/\*\// contains=@Spell
syntax region tinyaiBlock start=/{/ end=/}/ transparent fold
highlight default link tinyaiWord Keyword
highlight default link tinyaiType Type
highlight default link tinyaiFunction Function
highlight default link tinyaiConstant Boolean
highlight default link tinyaiFence Label
highlight default link tinyaiHole Special
highlight default link tinyaiNumber Number
highlight default link tinyaiString String
highlight default link tinyaiComment Comment
let b:current_syntax = "tinyai"
