autocmd BufNewFile,BufRead *.value,*.schedule,*.sched,*.device,*.cost setfiletype tinyai
