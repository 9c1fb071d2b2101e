#!/usr/bin/env python3
"""Calls every function of the public headers with NULL for each pointer in turn, the others being good.

usage: null_test.py SOURCE LIBRARY_DIR
The functions come from the headers, so none can be forgotten. A call must not crash, and must set the
last error ARG_NULL, unless NULL has a meaning there (NULL_IS_FINE) or the function gives something back.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE, LIBRARY = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
DECLARATION = re.compile(r"TINYAI_API\s+([\w\s]+?[\s*]+)(tinyai\w+)\(([^;]*)\);")
SAN = {"detect_leaks": "0"}

# Good values by type.
VALUES = {
    "TinyAIMappedModel *": "model", "TinyAIModel *": "model", "TinyAIForwardScheduler *": "forward",
    "TinyAIProgressiveLoader *": "loader", "TinyAILayerScheduler *": "layers",
    "TinyAIMemoryOptimizer *": "optimizer", "TinyAITensor *": "tensor", "TinyAIExecutionPlan *": "plan",
    "TinyAIModelBuilder *": "builder", "char *": '"x"', "void *": "memory", "int *": "ints",
    "TinyAISessionPlan *": "session_plan", "TinyAISession *": "session", "TinyAITokenFunction": "token",
    "size_t *": "sizes", "TinyAIBudget *": "budget", "TinyAITensorReuseFunction": "reuse", "TinyAIWeightFunction": "weight",
}
# (function, parameter) where NULL is allowed, as the header says.
NULL_IS_FINE = re.compile(
    r"(Open|Create|Configure)\w+ config$| user_data$|tinyaiExecuteNextLayer (input|output|layerIndex)"
    r"|tinyaiExecuteLayerWithMemoryOptimization (input|output)|tinyaiCreateModelBuilder name"
    r"|tinyaiMeasure\w+ input|tinyai(Plan|Read)Session(Plan)? config|tinyaiGenerate (settings|function|out)$"
    r"|tinyaiBuilderAddOp attributes|tinyaiGetLayerDependencies (layers|types)"
    r"|tinyaiGetSchedulerPeakLayer out|tinyaiGetSchedulerPeakOutputs (layers|bytes)")
GIVES_BACK = re.compile(r"tinyai(Free|Destroy|Close)\w+$")


def functions():
    for header in sorted((SOURCE / "include").rglob("*.h")):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        for _, name, arguments in DECLARATION.findall(text):
            parameters = [] if arguments.strip() == "void" else [
                re.fullmatch(r"(.*?)(\w+)", " ".join(part.split())).groups() for part in arguments.split(",")]
            yield name, [(kind.replace("const ", "").strip(), word) for kind, word in parameters]


def good(kind):
    if kind in VALUES:
        return VALUES[kind]
    if kind.endswith("*"):
        return f"({kind})memory"
    return "1" if not kind.startswith("TinyAI") else f"({kind})0"


def is_pointer(kind):
    return kind.endswith("*") or kind.endswith("Function")


def calls():
    for name, parameters in functions():
        for i, (kind, word) in enumerate(parameters):
            if not is_pointer(kind):
                continue
            arguments = [f"({k})NULL" if j == i else good(k) for j, (k, _) in enumerate(parameters)]
            fine = bool(NULL_IS_FINE.search(f"{name} {word}") or GIVES_BACK.search(name))
            yield f'    CHECK(({name})({", ".join(arguments)}), "{name}", "{word}", {int(fine)});'


PROGRAM = """
#include <stdio.h>
#include <string.h>
#include <tinyai/tinyai.h>

static bool reuse(void *data) { (void)data; return true; }
static bool weight(void *data, uint64_t offset, void *out, size_t size) {
    (void)data, (void)offset;
    memset(out, 0, size);
    return true;
}
static bool token(void *data, int32_t id, const char *text) { (void)data, (void)id, (void)text; return false; }
static int failed, made;
#define CHECK(call, name, parameter, fine)                                                     \\
    do {                                                                                       \\
        tinyaiClearLastError();                                                                \\
        memset(memory, 0, sizeof memory);                                                      \\
        (void)call;                                                                            \\
        made++;                                                                                \\
        if (!fine && strcmp(tinyaiGetLastErrorKey(), "ARG_NULL") != 0) {                       \\
            printf("%s with %s NULL: %s\\n", name, parameter, tinyaiGetLastErrorKey());         \\
            failed++;                                                                          \\
        }                                                                                      \\
    } while (0)

int main(void) {
    static double memory[1024];
    int ints[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    size_t sizes[8] = {4, 4, 4, 4, 4, 4, 4, 4};
    TinyAIModelBuilder *builder = tinyaiCreateModelBuilder("small");
    int value = tinyaiBuilderAddInput(builder, "in", sizes, 1);
    for (int i = 0; i < 2; i++) {
        value = tinyaiBuilderAddOp(builder, i ? "b" : "a", "activation", "function=relu", &value, 1, NULL, 0);
        tinyaiBuilderEndLayer(builder, i ? "b" : "a", TINYAI_LAYER_ROLE_OTHER);
    }
    tinyaiSaveBuiltModel(builder, "small.tmai");
    TinyAIMappedModel *model = tinyaiOpenMappedModel("small.tmai", NULL);
    if (model == NULL) return printf("%s\\n", tinyaiGetErrorMessage()), 2;
    TinyAIForwardScheduler *forward = tinyaiCreateForwardScheduler(model, TINYAI_EXEC_NORMAL, 0);
    TinyAIProgressiveLoader *loader = tinyaiCreateProgressiveLoader(NULL);
    TinyAILayerScheduler *layers = tinyaiCreateLayerScheduler(model, NULL);
    TinyAIExecutionPlan *plan = tinyaiCreateExecutionPlan(layers);
    TinyAIMemoryOptimizer *optimizer = tinyaiCreateMemoryOptimizer(NULL);
    TinyAITensor *tensor = tinyaiCreateTensor(ints, 1, TINYAI_TENSOR_FLOAT32);
    TinyAIBudget *budget = tinyaiCreateBudget(1 << 30);
    TinyAIModel *text = tinyaiOpenMappedModel("TEXT_MODEL", NULL);
    TinyAISessionConfig config;
    tinyaiInitSessionConfig(&config);
    config.trace_bytes = 4096;
    TinyAISession *session = tinyaiOpenSession(tinyaiPlanSession(text, &config));
    TinyAISessionPlan *session_plan = tinyaiPlanSession(text, &config);
    if (session == NULL) return printf("%s\\n", tinyaiGetErrorMessage()), 2;
    (void)plan, (void)tensor, (void)optimizer, (void)loader, (void)forward;
CALLS
    printf("%d calls, %d without ARG_NULL\\n", made, failed);
    return failed != 0;
}
"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "null.c")
        text_model = SOURCE / "apps/tinyai/models/tales-q8_0.gguf"
        program.write_text(PROGRAM.replace("CALLS", "\n".join(calls())).replace("TEXT_MODEL", str(text_model)))
        command = ["cc", "-std=c11", "-w", f"-I{SOURCE / 'include'}", str(program), "-o", f"{folder}/null",
                   f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-ltinyai"]
        subprocess.run(command, check=True)
        done = subprocess.run([f"{folder}/null"], cwd=folder, capture_output=True, text=True)
        print(done.stdout + done.stderr)
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
