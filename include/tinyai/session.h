#pragma once

#include <tinyai/utils/forward_scheduler.h>
#include <tinyai/utils/mmap_loader.h>

/* Texts that a model goes on with, in a fixed number of bytes: a plan first, which says what it will
 * take, then a session, which carries the plan out. docs/api/session.md explains with examples.
 *
 * One thread at a time uses a plan or a session; only tinyaiStopSession() and tinyaiResumeSession() may come from any. Both keep
 * their model alive: they may be given back in any order. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TinyAISessionPlan TinyAISessionPlan;
typedef struct TinyAISession TinyAISession;

/* ---- planning ---- */

/* How the keys and values of a text are kept. */
typedef enum TINYAI_ENUM_TYPE { TINYAI_CACHE_F16 = 0, TINYAI_CACHE_F32, TINYAI_CACHE_Q8 } TinyAICacheType;

typedef struct {
    size_t memory_bytes;      /* for everything the process holds; 0: what is free */
    size_t context;           /* tokens; 0: as trained, at most 4096, fewer where memory is short */
    int threads;              /* that compute; 0: one per core */
    size_t prompt_chunk;      /* tokens of a prompt per pass; 0: chosen */
    TinyAIExecutionMode mode;
    double speed;             /* mode ADAPTIVE: 1, the fastest that fits, to 0, the least memory */
    TinyAICacheType key_type, value_type;
    size_t trace_bytes;       /* to keep when what ran, for tinyaiWriteSessionTrace(); 0: nothing is kept */
} TinyAISessionConfig;
/* Zeros, but for speed 1 and mode ADAPTIVE. */
TINYAI_API void tinyaiInitSessionConfig(TinyAISessionConfig *config);

/* Plans a session of a text model as it is now, with what was made of its weights; `config` NULL: the
 * defaults. Reads no weights. NULL: ARG_NULL, ARG_VALUE, BAD_OPTION, NO_TEXT_MODEL, BUDGET_INFEASIBLE (the
 * message has the least budget that works), BUDGET_OVER_LIMIT. */
TINYAI_API TinyAISessionPlan *tinyaiPlanSession(TinyAIModel *model, const TinyAISessionConfig *config);
/* The same as a text says: a whole plan that tinyaiGetSessionPlanText() has given, for this model and
 * machine, or a schedule that fixes a part (docs/schedule.md). Where `config` leaves context or memory open
 * they are the plan's. NULL besides: SCHEDULE_*, PLAN_MISMATCH, PLAN_INVALID. */
TINYAI_API TinyAISessionPlan *tinyaiReadSessionPlan(TinyAIModel *model, const TinyAISessionConfig *config,
                                                    const char *text);
/* NULL is allowed. */
TINYAI_API void tinyaiFreeSessionPlan(TinyAISessionPlan *plan);

typedef struct {
    size_t budget_bytes;         /* that it keeps within */
    size_t least_budget_bytes;   /* the least with which the configuration works */
    size_t predicted_peak_bytes; /* what it will take */
    size_t arena_bytes;          /* of these, the one allocation that a session computes in */
    size_t pass_bytes;           /* weights that a token needs */
    size_t resident_bytes;       /* of these, those that stay */
    size_t streamed_bytes;       /* read from the file for each token */
    size_t context, prompt_chunk;  /* tokens */
    int threads;
    size_t syncs, fences;        /* of a pass */
    double tokens_per_second;    /* and what a token takes, in seconds: */
    double compute_seconds, disk_seconds;
    double stall_seconds;        /* the computation waits for the disk */
} TinyAIPlanReport;
/* What the plan says; also after a session has taken it. False: ARG_NULL. */
TINYAI_API bool tinyaiGetSessionPlanReport(const TinyAISessionPlan *plan, TinyAIPlanReport *out);

/* What the predicted peak is for. */
typedef struct {
    const char *name; /* "program", "tokenizer", "resident weights", ..; the plan's */
    size_t bytes;
} TinyAIMemoryComponent;
/* The number of components, and the first `capacity` of them to `out` (NULL if `capacity` is 0). They add
 * up to the predicted peak. -1: ARG_NULL. */
TINYAI_API int tinyaiGetSessionPlanComponents(const TinyAISessionPlan *plan, TinyAIMemoryComponent *out,
                                              int capacity);
/* The whole plan in the scheduling language; valid until the plan is freed. NULL: ARG_NULL, PLAN_TAKEN. */
TINYAI_API const char *tinyaiGetSessionPlanText(TinyAISessionPlan *plan);

/* How fast a machine is: what a plan's times follow from. */
typedef struct {
    bool measured; /* by `tinyai doctor`; else they are assumed */
    double memory_bytes_per_second, disk_bytes_per_second;
    double product_bytes_per_second; /* weights multiplied by one token */
    double meeting_seconds;          /* what a product takes beyond its bytes */
    double macs_per_second;          /* multiplications of a prompt */
    double request_seconds;          /* of one read */
} TinyAIRates;
/* Those that the plan was made with. False: ARG_NULL, PLAN_TAKEN. */
TINYAI_API bool tinyaiGetSessionPlanRates(const TinyAISessionPlan *plan, TinyAIRates *out);
/* What this very plan would do on a machine with other rates, simulated step by step. False: ARG_NULL,
 * ARG_VALUE (a rate that is not above 0), PLAN_TAKEN. */
TINYAI_API bool tinyaiSimulateSessionPlan(const TinyAISessionPlan *plan, const TinyAIRates *rates,
                                          TinyAIPlanReport *out);

/* ---- tokens ---- */

/* The number of tokens of a text, and the first `capacity` of them to `tokens` (NULL if `capacity` is 0).
 * `add_special`: with the tokens that begin and end a text; `parse_special`: spellings of control tokens,
 * such as <|im_end|>, stand for these. -1: ARG_NULL, NO_TEXT_MODEL, TOKENIZER, TOKENIZER_REGEX. */
TINYAI_API int64_t tinyaiTokenize(const TinyAIModel *model, const char *text, bool add_special,
                                  bool parse_special, int32_t *tokens, size_t capacity);
/* The number of bytes of the text of tokens, and the first `capacity` - 1 of them to `text`, followed by a
 * NUL (NULL if `capacity` is 0). Control tokens have no text. -1: ARG_NULL, NO_TEXT_MODEL. */
TINYAI_API int64_t tinyaiDetokenize(const TinyAIModel *model, const int32_t *tokens, size_t count, char *text,
                                    size_t capacity);

/* ---- running ---- */

/* Takes all the memory of the plan and begins to read weights. The plan's steps go over to the session: no
 * second one is opened with it. NULL: ARG_NULL, PLAN_TAKEN, BUDGET_EXCEEDED, OUT_OF_MEMORY, THREAD, those of
 * opening files. */
TINYAI_API TinyAISession *tinyaiOpenSession(TinyAISessionPlan *plan);
/* NULL is allowed. */
TINYAI_API void tinyaiCloseSession(TinyAISession *session);

/* Text at the end of what there is; nothing is computed yet. False, and nothing changed: ARG_NULL,
 * CONTEXT_FULL, TOKENIZER, TOKENIZER_REGEX. */
TINYAI_API bool tinyaiAddSessionText(TinyAISession *session, const char *text, bool parse_special);
/* False besides: BAD_TOKEN. */
TINYAI_API bool tinyaiAddSessionTokens(TinyAISession *session, const int32_t *tokens, size_t count);

/* Hears of each new token and its text: whole characters in UTF-8, "" while one is incomplete; at the end
 * what is left, with token -1. False ends the text there. */
typedef bool (*TinyAITokenFunction)(void *user_data, int32_t token, const char *text);

typedef enum TINYAI_ENUM_TYPE {
    TINYAI_STOP_END = 0, /* the model ended the text */
    TINYAI_STOP_LENGTH,  /* as many tokens as asked for */
    TINYAI_STOP_CONTEXT, /* no room for another token */
    TINYAI_STOP_CALLER   /* the token function returned false, or tinyaiStopSession() */
} TinyAIStopReason;

typedef struct {
    TinyAIStopReason reason;
    size_t tokens;             /* new ones */
    size_t computed_tokens;    /* of the prompt: those that were not computed before, at least 1 */
    double prompt_seconds;     /* until the first token could be chosen */
    double generation_seconds; /* of the passes for the tokens after the first */
} TinyAIGenerated;

/* Lets the model go on with the text, which has the new tokens from then on, whatever ended them. `settings`
 * NULL: those of tinyaiInitTextSettings(); `function`, `user_data` and `out` may be NULL. A chosen text
 * depends on the text so far and the settings alone. False: ARG_NULL, BAD_OPTION, NO_PROMPT, CONTEXT_FULL,
 * BUDGET_LIMIT_LOWERED, NUMERIC_NAN, those of reading. */
TINYAI_API bool tinyaiGenerate(TinyAISession *session, const TinyAITextSettings *settings,
                               TinyAITokenFunction function, void *user_data, TinyAIGenerated *out);
/* From any thread: ends the tinyaiGenerate() under way, else the next one, between two tokens or two chunks
 * of the prompt. It returns true, and the text can be gone on with. */
TINYAI_API void tinyaiStopSession(TinyAISession *session);
/* Takes a stop back that has not ended anything yet. */
TINYAI_API void tinyaiResumeSession(TinyAISession *session);

/* The number of tokens of the text so far, and the first `capacity` of them to `tokens` (NULL if `capacity`
 * is 0): with tinyaiRestoreSession() a snapshot. -1: ARG_NULL. */
TINYAI_API int64_t tinyaiGetSessionTokens(const TinyAISession *session, int32_t *tokens, size_t capacity);
/* Makes the text that of a snapshot, of this session or another one of the model (`count` 0: an empty text).
 * What both have in common at the beginning is not computed again; what follows has the same bits as in
 * the session of the snapshot. False, and nothing changed: ARG_NULL, CONTEXT_FULL, BAD_TOKEN. */
TINYAI_API bool tinyaiRestoreSession(TinyAISession *session, const int32_t *tokens, size_t count);

typedef struct {
    size_t budget_bytes, counted_peak_bytes; /* held at most so far, counted where it is taken */
    size_t resident_bytes;                   /* weights that stay */
    size_t text_tokens, context;
    uint64_t passes, read_bytes;             /* so far */
    uint64_t replans;       /* what was measured contradicted the plan, and there is another one since */
    double stall_seconds;   /* the computation waited for the disk */
    const char *io_path;    /* how weights are read: "uring", "direct", "buffered" */
} TinyAISessionStats;
TINYAI_API bool tinyaiGetSessionStats(const TinyAISession *session, TinyAISessionStats *out);

/* Writes when the last passes did what, as a trace in JSON with a lane for each queue, which ui.perfetto.dev
 * opens; the configuration had `trace_bytes`. Ends the session: it is only to be closed from then on, and
 * everything else fails with SESSION_ENDED. A file that is there is replaced once the new one is whole. False:
 * ARG_NULL, NO_TRACE, SESSION_ENDED, OUTPUT_TARGET, IO_WRITE. */
TINYAI_API bool tinyaiWriteSessionTrace(TinyAISession *session, const char *filepath);

#ifdef __cplusplus
}
#endif
